package ship

import "strings"

// Option describes one option for the configuration reference. Name is its place
// from the output's block on, joined by dots; Default is "" where there is none.
type Option struct {
	Name, Type, Default, Text string
}

// Docs describes every option of HTTP, in the order in which to read them.
func Docs() []Option {
	return []Option{
		{"url", "string", "", "Server to push to: scheme, host, port, and the path before /loki/api/v1/push if there is one."},
		{"tenant", "string", "", "Tenant of the lines, sent as X-Scope-OrgID; none is sent where it is empty."},
		{"tenant_from", "string", "", "Name of the label or structured metadata that tells a line's tenant; lines without it, or with what cannot be a tenant's name, go to `tenant`."},
		{"basic_auth.username", "string", "", "User of basic authentication."},
		{"basic_auth.password", "secret", "", "Password of basic authentication."},
		{"basic_auth.password_file", "path", "", "File that holds the password, read again for each request."},
		{"bearer_token", "secret", "", "Token sent as Authorization: Bearer."},
		{"bearer_token_file", "path", "", "File that holds the token, read again for each request."},
		{"oauth2.client_id", "string", "", "Client of OAuth 2's client credentials grant."},
		{"oauth2.client_secret", "secret", "", "The client's secret."},
		{"oauth2.client_secret_file", "path", "", "File that holds the client's secret, read again for each token."},
		{"oauth2.token_url", "string", "", "URL that hands out tokens."},
		{"oauth2.scopes", "list of strings", "", "Scopes to ask for."},
		{"oauth2.endpoint_params", "map of secrets", "", "Further parameters of the request for a token, such as audience."},
		{"oauth2.tls.ca_file", "path", "system's", "Certificates, in PEM, that the token server's certificate must come from."},
		{"oauth2.tls.cert_file", "path", "", "Client certificate for the token server, in PEM."},
		{"oauth2.tls.key_file", "path", "", "Key of that certificate, in PEM."},
		{"oauth2.tls.server_name", "string", "host of the URL", "Name that the token server's certificate must have."},
		{"oauth2.tls.insecure_skip_verify", "bool", "false", "Take any certificate of the token server: for trials only."},
		{"tls.ca_file", "path", "system's", "Certificates, in PEM, that the server's certificate must come from; read again when the file changes."},
		{"tls.cert_file", "path", "", "Client certificate, in PEM; read again when the file changes."},
		{"tls.key_file", "path", "", "Key of the client certificate, in PEM; read again when the file changes."},
		{"tls.server_name", "string", "host of the URL", "Name that the server's certificate must have."},
		{"tls.insecure_skip_verify", "bool", "false", "Take any certificate of the server: for trials only."},
		{"headers", "map of secrets", "", "Further headers of each request; their values are never shown."},
		{"proxy_url", "string", "environment", "Proxy: http, https or socks5; without it HTTP_PROXY, HTTPS_PROXY and NO_PROXY count."},
		{"timeout", "duration", "30s", "Longest time for one request and its answer."},
		{"batch.bytes", "size", "1MiB", "Largest push before compression, from 4KiB to 16MiB."},
		{"batch.wait", "duration", "600ms", "Longest time that a line waits for its batch to fill."},
		{"backoff.min", "duration", "200ms", "Wait before the second attempt; it doubles from attempt to attempt, for ever."},
		{"backoff.max", "duration", "30s", "Longest wait between two attempts, unless the server asks for more."},
		{"backfill.disabled", "bool", "false", "Loki only: keep lines that come too far behind as refused, rather than send them in streams of their own."},
		{"backfill.window", "duration", "1h", "Loki only: how far behind the newest line of its stream a line may be; half of Loki's max_chunk_age."},
		{"backfill.label", "string", "backfill", "Loki only: label that sets those streams apart; its value is the hour of the lines."},
	}
}

// listed writes names as "a, b and c".
func listed(names []string) string {
	n := len(names)
	return strings.Join(names[:n-1], ", ") + " and " + names[n-1]
}
