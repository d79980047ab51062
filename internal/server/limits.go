package server

import (
	"runtime"
	"time"
)

// Limits of a server. The zero value of each field means its default.
type Limits struct {
	PushBytes   int64         // body of a push as sent: 32 MiB
	PushDecoded int64         // body of a push decompressed: 64 MiB
	PushRatio   int64         // bytes for each byte of a compressed body, beyond 8 MiB: 500
	PushMemory  int64         // decoded bytes of all pushes at work: 256 MiB; others wait
	PushWait    time.Duration // for a place in that memory: 10 s
	BodyTimeout time.Duration // to send a body: 2 min
	AnswerStall time.Duration // for a client to take the next part of an answer: 1 min

	LineBytes         int           // 256 KiB
	LabelCount        int           // labels of a stream: 15
	LabelName         int           // bytes: 128, as the store's engine keeps no more (Loki: 1024)
	LabelValue        int           // bytes: 2048
	LabelBytes        int           // of all labels of a stream: 16 KiB
	MetadataBytes     int           // of an entry: 64 KiB; from an agent four times as much
	MetadataCount     int           // of an entry: 128; from an agent four times as many
	OldestLine        time.Duration // before now: 7 days; from an agent any
	FurthestLine      time.Duration // after now: 10 min; from an agent any
	QueryTimeout      time.Duration // 1 min
	QueryBytes        int           // length of a query: 131,071
	Queries           int           // at work: four for each processor
	QueuedQueries     int           // waiting: 100
	Tails             int           // of a tenant: 100
	TailDuration      time.Duration // 1 h
	TailWindow        time.Duration // how long lines are gathered for a frame: 100 ms
	QueryTenants      int           // in one query: 32
	OffsetFiles       int           // asked about at once: 100,000
	OffsetGenerations int           // asked about at once: 10,000
	FormBytes         int64         // body of a query: 4 MiB
	ShutdownDeadline  time.Duration // for requests at work when the server ends: 15 s
}

func (l Limits) withDefaults() Limits {
	set(&l.PushBytes, 32<<20)
	set(&l.PushDecoded, 64<<20)
	set(&l.PushRatio, 500)
	set(&l.PushMemory, 256<<20)
	set(&l.PushWait, 10*time.Second)
	set(&l.BodyTimeout, 2*time.Minute)
	set(&l.AnswerStall, time.Minute)
	set(&l.LineBytes, 256<<10)
	set(&l.LabelCount, 15)
	set(&l.LabelName, 128)
	set(&l.LabelValue, 2048)
	set(&l.LabelBytes, 16<<10)
	set(&l.MetadataBytes, 64<<10)
	set(&l.MetadataCount, 128)
	set(&l.OldestLine, 7*24*time.Hour)
	set(&l.FurthestLine, 10*time.Minute)
	set(&l.QueryTimeout, time.Minute)
	set(&l.QueryBytes, 131_071)
	set(&l.Queries, 4*runtime.GOMAXPROCS(0))
	set(&l.QueuedQueries, 100)
	set(&l.Tails, 100)
	set(&l.TailDuration, time.Hour)
	set(&l.TailWindow, 100*time.Millisecond)
	set(&l.QueryTenants, 32)
	set(&l.OffsetFiles, 100_000)
	set(&l.OffsetGenerations, 10_000)
	set(&l.FormBytes, 4<<20)
	set(&l.ShutdownDeadline, 15*time.Second)
	return l
}

func set[T comparable](v *T, byDefault T) {
	var zero T
	if *v == zero {
		*v = byDefault
	}
}
