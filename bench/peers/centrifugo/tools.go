//go:build tools

// Package tools pins the Centrifugo that the benchmarks compare with; go.sum is its lock file.
package tools

import _ "github.com/centrifugal/centrifugo/v5"
