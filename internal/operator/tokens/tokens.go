// Package tokens makes the tokens of the server that stands beside the operator: one for
// agents, which may only write, and one for people, who may only read. It hands agents
// theirs. Its one invariant: the Secret of all tokens is never written again once it is
// there, so that no token changes under those who use it.
package tokens

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// Keys of the Secret.
const (
	KeyServer = "server" // the file that the server reads: hashes, and what each may do
	KeyAgent  = "agent"
	KeyReader = "reader"
)

// Ensure returns the token of agents. It makes the Secret where there is none.
func Ensure(ctx context.Context, c client.Client, secret client.ObjectKey) (string, error) {
	made, err := fresh(secret)
	if err != nil {
		return "", err
	}
	if err = c.Create(ctx, made); err == nil {
		return string(made.Data[KeyAgent]), nil
	}
	if !apierrors.IsAlreadyExists(err) {
		return "", fmt.Errorf("create Secret %s: %w", secret, err)
	}
	var there corev1.Secret
	if err := c.Get(ctx, secret, &there); err != nil {
		return "", fmt.Errorf("get Secret %s: %w", secret, err)
	}
	return ofAgents(&there)
}

func ofAgents(s *corev1.Secret) (string, error) {
	if len(s.Data[KeyAgent]) == 0 {
		return "", fmt.Errorf("token of agents: Secret %s/%s has no key %q: add the token that agents are to send, or delete the Secret", s.Namespace, s.Name, KeyAgent)
	}
	return string(s.Data[KeyAgent]), nil
}

func fresh(key client.ObjectKey) (*corev1.Secret, error) {
	agent, err := token()
	if err != nil {
		return nil, err
	}
	reader, err := token()
	if err != nil {
		return nil, err
	}
	return &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Namespace: key.Namespace, Name: key.Name, Labels: map[string]string{labelName: "remora"}},
		Data: map[string][]byte{
			KeyAgent:  []byte(agent),
			KeyReader: []byte(reader),
			KeyServer: fmt.Appendf(nil, "%s * write\n%s * read\n", hashed(agent), hashed(reader)),
		},
	}, nil
}

func token() (string, error) {
	random := make([]byte, 24)
	if _, err := rand.Read(random); err != nil {
		return "", fmt.Errorf("make a token: %w", err)
	}
	return hex.EncodeToString(random), nil
}

func hashed(token string) string {
	sum := sha256.Sum256([]byte(token))
	return "sha256:" + hex.EncodeToString(sum[:])
}
