package main

import (
	"context"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
)

// question is one request of a client.
type question struct {
	name       string // row/number
	path       string
	params     url.Values
	tenant     string // "": no header
	categorize bool   // ask for labels by where they come from
	headers    http.Header
	post       bool
	push       bool // it sends body as it is
	body       string
}

// answer is what a client sees.
type answer struct {
	status      int
	contentType string
	body        string
	err         error
}

const workers = 4

// pushAll sends what is to be pushed, one after the other, before anything is asked.
func (p *pair) pushAll(ctx context.Context, questions []*question, done func(*question, *answer, *answer)) {
	for _, q := range questions {
		if q.push && ctx.Err() == nil {
			loki, remora := p.askBoth(ctx, q)
			done(q, loki, remora)
		}
	}
}

// askAll asks every question of both; done is called in the order of questions.
func (p *pair) askAll(ctx context.Context, questions []*question, done func(*question, *answer, *answer)) {
	type pending struct {
		loki, remora *answer
		ready        chan struct{}
	}
	list := make([]pending, len(questions))
	next := make(chan int)
	for i := range list {
		list[i].ready = make(chan struct{})
	}
	for range workers {
		go func() {
			for i := range next {
				list[i].loki, list[i].remora = p.askBoth(ctx, questions[i])
				close(list[i].ready)
			}
		}()
	}
	go func() {
		defer close(next)
		for i := range questions {
			next <- i
		}
	}()
	for i, q := range questions {
		<-list[i].ready
		if ctx.Err() != nil {
			continue
		}
		done(q, list[i].loki, list[i].remora)
		list[i].loki, list[i].remora = nil, nil
	}
}

func (p *pair) askBoth(ctx context.Context, q *question) (loki, remora *answer) {
	if q.path == tailPath {
		return p.tailBoth(ctx, q)
	}
	var both sync.WaitGroup
	both.Go(func() { loki = p.ask(ctx, p.loki, q) })
	both.Go(func() { remora = p.ask(ctx, p.remora, q) })
	both.Wait()
	return loki, remora
}

func (p *pair) ask(ctx context.Context, s *server, q *question) *answer {
	method, target, body := http.MethodGet, s.url+q.path, io.Reader(nil)
	if q.push {
		method, body = http.MethodPost, strings.NewReader(q.body)
	} else if q.post {
		method, body = http.MethodPost, strings.NewReader(q.params.Encode())
	} else if len(q.params) > 0 {
		target += "?" + q.params.Encode()
	}
	req, err := http.NewRequestWithContext(ctx, method, target, body)
	if err != nil {
		return &answer{err: err}
	}
	q.header(req.Header)
	if q.post {
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	resp, err := p.http.Do(req)
	if err != nil {
		return &answer{err: err}
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(io.LimitReader(resp.Body, 256<<20))
	return &answer{status: resp.StatusCode, contentType: resp.Header.Get("Content-Type"), body: string(text), err: err}
}

func (q *question) header(h http.Header) {
	for name, values := range q.headers {
		h[name] = values
	}
	if q.tenant != "" {
		h.Set("X-Scope-OrgID", q.tenant)
	}
	if q.categorize {
		h.Set("X-Loki-Response-Encoding-Flags", "categorize-labels")
	}
}
