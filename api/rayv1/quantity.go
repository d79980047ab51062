package rayv1

import (
	"fmt"
	"math"

	"k8s.io/apimachinery/pkg/api/resource"
)

// bytesParams are the flags of `ray start` that count bytes.
var bytesParams = []string{"memory", "object-store-memory"}

// Bytes reads what a user wrote for a number of bytes: 1000000, or a quantity such as
// 4Gi. Ray itself takes whole numbers only.
func Bytes(s string) (int64, error) {
	q, err := resource.ParseQuantity(s)
	if err != nil {
		return 0, fmt.Errorf("%q is no quantity of bytes, write 4Gi or 4294967296", s)
	}
	if q.Sign() < 0 || q.CmpInt64(math.MaxInt64) >= 0 {
		return 0, fmt.Errorf("%q bytes cannot be, write 4Gi or 4294967296", s)
	}
	return q.Value(), nil
}
