package backup

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/url"
	"strings"

	"github.com/go-kit/log"
	"github.com/thanos-io/objstore"
	"github.com/thanos-io/objstore/providers/s3"
)

// S3 says where a bucket is. Credentials are those of AWS's environment variables,
// its file of credentials, or the machine's role.
type S3 struct {
	Bucket, Prefix string
	Endpoint       string // a URL; "" is Amazon's
	Region         string

	transport http.RoundTripper // of tests
}

const amazon = "https://s3.amazonaws.com"

// partSize bounds what an upload holds in memory; 10,000 of them are the largest
// file that can be kept.
const partSize = 16 << 20

// ParseS3 reads s3://BUCKET/PREFIX.
func ParseS3(at string) (S3, error) {
	rest, ok := strings.CutPrefix(at, "s3://")
	bucket, prefix, _ := strings.Cut(rest, "/")
	if !ok || bucket == "" || strings.ContainsAny(rest, "?#") {
		return S3{}, fmt.Errorf("%q is no bucket: want s3://BUCKET or s3://BUCKET/PREFIX", at)
	}
	return S3{Bucket: bucket, Prefix: strings.Trim(prefix, "/")}, nil
}

// Open returns the target. It does not ask the bucket yet.
func (c S3) Open() (Target, error) {
	endpoint := c.Endpoint
	if endpoint == "" {
		endpoint = amazon
	}
	u, err := url.Parse(endpoint)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" || strings.Trim(u.Path, "/") != "" {
		return nil, fmt.Errorf("%q is no endpoint of S3: want a URL like https://minio.example:9000", endpoint)
	}
	cfg := s3.Config{
		Bucket: c.Bucket, Endpoint: u.Host, Insecure: u.Scheme == "http", Region: c.Region,
		PartSize: partSize, HTTPConfig: s3.DefaultConfig.HTTPConfig, MaxRetries: 5,
	}
	if c.Endpoint != "" {
		cfg.BucketLookupType = s3.PathLookup // others have no name for each bucket
	}
	cfg.HTTPConfig.Transport = c.transport
	b, err := s3.NewBucketWithConfig(log.NewNopLogger(), cfg, "remora", nil)
	if err != nil {
		return nil, fmt.Errorf("open bucket %s: %w", c.Bucket, err)
	}
	t := &bucket{Bucket: b}
	if c.Prefix != "" {
		t.prefix = c.Prefix + "/"
	}
	return t, nil
}

// bucket is a target in an object store.
type bucket struct {
	objstore.Bucket
	prefix string
}

// sized tells the client how much will come, so that it need not hold it all.
type sized struct {
	io.Reader
	size int64
}

func (s sized) ObjectSize() (int64, error) { return s.size, nil }

// Put uploads; an object is there when all of it is.
func (b *bucket) Put(ctx context.Context, name string, r io.Reader, size int64) error {
	return b.Upload(ctx, b.prefix+name, sized{r, size})
}

// Get downloads.
func (b *bucket) Get(ctx context.Context, name string) (io.ReadCloser, error) {
	r, err := b.Bucket.Get(ctx, b.prefix+name)
	if err != nil && b.IsObjNotFoundErr(err) {
		return nil, errors.Join(fs.ErrNotExist, err)
	}
	return r, err
}

// List knows no sizes.
func (b *bucket) List(ctx context.Context, dir string, yield func(name string, size int64) error) error {
	return b.Iter(ctx, b.prefix+dir, func(name string) error {
		return yield(strings.TrimPrefix(name, b.prefix), -1)
	}, objstore.WithRecursiveIter())
}

// Remove removes the object.
func (b *bucket) Remove(ctx context.Context, name string) error {
	return b.Delete(ctx, b.prefix+name)
}
