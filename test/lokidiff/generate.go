package main

import "time"

// generate makes n questions from the grammar.
func generate(base time.Time, seed int64, n int) []*question { return nil }
