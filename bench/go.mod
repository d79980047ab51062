module github.com/remora-ray/remora/bench

go 1.26.0

require (
	github.com/klauspost/compress v1.20.3
	github.com/remora-ray/remora v0.0.0
	golang.org/x/sync v0.24.0
	golang.org/x/sys v0.49.0
)

replace github.com/remora-ray/remora => ../
