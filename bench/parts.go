package main

import (
	"context"
	"encoding/json"
	"flag"
	"net"
	"net/http"
	"os"
	"time"

	"github.com/remora-ray/remora/bench/floor"
	"github.com/remora-ray/remora/bench/receive"
)

// runFloor is the floor program: it prints what it encoded as JSON.
func runFloor(ctx context.Context, args []string) error {
	fs := flag.NewFlagSet("bench floor", flag.ContinueOnError)
	dir := fs.String("dir", "", "Ray's temp directory")
	planFile := fs.String("plan", "", "how the agent encoded it")
	follow := fs.Bool("follow", false, "follow the files of the directory once a second until told to end")
	if err := fs.Parse(args); err != nil {
		return err
	}
	if *follow {
		_, err := floor.Follow(ctx, *dir, time.Second)
		return err
	}
	f, err := os.Open(*planFile)
	if err != nil {
		return err
	}
	defer f.Close()
	plan, err := receive.ReadPlan(f)
	if err != nil {
		return err
	}
	// What reading the plan cost is not the floor's.
	before := ownCPU()
	r, err := floor.Run(*dir, plan)
	if err != nil {
		return err
	}
	return json.NewEncoder(os.Stdout).Encode(floorFigures{Result: r, CPU: ownCPU() - before})
}

// runReceiver is the null receiver.
func runReceiver(ctx context.Context, args []string) error {
	fs := flag.NewFlagSet("bench receive", flag.ContinueOnError)
	listen := fs.String("listen", "127.0.0.1:0", "address")
	plan := fs.Bool("plan", false, "note how entries were encoded")
	if err := fs.Parse(args); err != nil {
		return err
	}
	l, err := net.Listen("tcp", *listen)
	if err != nil {
		return err
	}
	s := http.Server{Handler: receive.New(*plan)}
	context.AfterFunc(ctx, func() { s.Close() })
	if err := s.Serve(l); err != http.ErrServerClosed {
		return err
	}
	return nil
}
