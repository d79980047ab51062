package tokens_test

import (
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"

	"github.com/remora-ray/remora/internal/operator/tokens"
)

var key = client.ObjectKey{Namespace: "remora-system", Name: "remora-tokens"}

func TestTokensAreMadeOnce(t *testing.T) {
	c := fake.NewClientBuilder().Build()
	first, err := tokens.Ensure(t.Context(), c, key)
	if err != nil {
		t.Fatal(err)
	}
	again, err := tokens.Ensure(t.Context(), c, key)
	if err != nil || again != first {
		t.Errorf("the second time the token is another one: %v", err)
	}
	var s corev1.Secret
	if err := c.Get(t.Context(), key, &s); err != nil {
		t.Fatal(err)
	}
	file := string(s.Data[tokens.KeyServer])
	reader := string(s.Data[tokens.KeyReader])
	if first == reader || strings.Contains(file, first) || strings.Contains(file, reader) {
		t.Error("the server's file must have the hashes of two tokens and none of them")
	}
	if strings.Count(file, " * write\n") != 1 || strings.Count(file, " * read\n") != 1 {
		t.Errorf("one may write and one may read, not %q", file)
	}
}

func TestASecretWithoutTheTokenIsTold(t *testing.T) {
	c := fake.NewClientBuilder().WithObjects(&corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: key.Namespace, Name: key.Name}}).Build()
	if _, err := tokens.Ensure(t.Context(), c, key); err == nil || !strings.Contains(err.Error(), `no key "agent"`) {
		t.Errorf("error %v", err)
	}
}
