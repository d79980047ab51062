// Package loopback finds ports of this machine for programs that a test or a
// benchmark starts.
package loopback

import (
	"fmt"
	"net"
	"strconv"
)

// Ports are n different ports on which nobody listened a moment ago.
func Ports(n int) ([]string, error) {
	var ports []string
	for range n {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return nil, fmt.Errorf("find a free port: %w", err)
		}
		defer l.Close()
		ports = append(ports, strconv.Itoa(l.Addr().(*net.TCPAddr).Port))
	}
	return ports, nil
}

// Address is one of them with its host.
func Address() (string, error) {
	ports, err := Ports(1)
	if err != nil {
		return "", err
	}
	return net.JoinHostPort("127.0.0.1", ports[0]), nil
}
