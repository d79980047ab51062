package backup

import (
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/johannesboyne/gofakes3"
	"github.com/johannesboyne/gofakes3/backend/s3mem"
)

// bucketServer is a server of S3's API with one bucket.
func bucketServer(t *testing.T) *httptest.Server {
	t.Helper()
	backend := s3mem.New()
	if err := backend.CreateBucket("remora"); err != nil {
		t.Fatal(err)
	}
	srv := httptest.NewTLSServer(gofakes3.New(backend).Server())
	t.Cleanup(srv.Close)
	t.Setenv("AWS_ACCESS_KEY_ID", "key")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "secret")
	return srv
}

func openS3(t *testing.T, at string, srv *httptest.Server) Target {
	t.Helper()
	c, err := ParseS3(at)
	if err != nil {
		t.Fatal(err)
	}
	c.Endpoint, c.Region, c.transport = srv.URL, "us-east-1", srv.Client().Transport
	target, err := c.Open()
	if err != nil {
		t.Fatal(err)
	}
	return target
}

func TestABucket(t *testing.T) {
	srv := bucketServer(t)
	targetTest(t, openS3(t, "s3://remora", srv))
	targetTest(t, openS3(t, "s3://remora/clusters/prod/", srv))
}

// A file of several parts comes back as it was.
func TestAFileOfSeveralParts(t *testing.T) {
	target := openS3(t, "s3://remora/x", bucketServer(t))
	want := map[string]string{"part": strings.Repeat("0123456789abcdef", partSize/16*2) + "end"}
	if _, err := Write(ctx, tree(t, want), target, first, quiet); err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(t.TempDir(), "store")
	if _, err := Restore(ctx, target, "", dir, quiet); err != nil {
		t.Fatal(err)
	}
	if !cmp.Equal(want, readTree(t, dir)) {
		t.Error("the file is another one")
	}
}

func TestABucketThatIsNotThere(t *testing.T) {
	target := openS3(t, "s3://nobodys", bucketServer(t))
	if _, err := Write(ctx, tree(t, monday), target, first, quiet); err == nil || !strings.Contains(err.Error(), "bucket") {
		t.Errorf("error %v", err)
	}
}

func TestNamesOfBuckets(t *testing.T) {
	for at, want := range map[string]S3{
		"s3://logs":            {Bucket: "logs"},
		"s3://logs/a/b/":       {Bucket: "logs", Prefix: "a/b"},
		"s3://":                {},
		"s3:///a":              {},
		"s3://logs?region=eu":  {},
		"https://logs/bucket1": {},
	} {
		got, err := ParseS3(at)
		if got != want || (err == nil) != (want.Bucket != "") {
			t.Errorf("%s: %+v, error %v", at, got, err)
		}
	}
	if _, err := (S3{Bucket: "b", Endpoint: "minio:9000"}).Open(); err == nil || !strings.Contains(err.Error(), "want a URL") {
		t.Errorf("an endpoint that is no URL: %v", err)
	}
}
