package main

import "testing"

func TestLinesThatAreMissingOrTwiceAreSeen(t *testing.T) {
	stored := map[string]map[int]int{}
	for _, line := range []string{"MARK a 1", "MARK a 2", "MARK a 2", "MARK a 4", "MARK b 1", "no mark", "MARK c x"} {
		count(stored, line)
	}
	got := compare(map[string]int{"a": 3, "b": 1, "d": 2}, stored)
	if want := (verdict{written: 6, lost: 3, twice: 1}); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
}
