package embedded

import (
	"bufio"
	"errors"
	"fmt"
	"io"

	"github.com/VictoriaMetrics/VictoriaLogs/lib/logstorage"
	"github.com/valyala/fastjson"
)

const (
	blockRows  = 1024
	blockBytes = 1 << 20
	// maxRowText bounds one row as JSON: what we store has at most 2 MiB, and each
	// byte of it may take six.
	maxRowText = 16 << 20
)

// readBlocks gives f the rows of an answer of VictoriaLogs, one JSON object a
// line, as blocks of columns. f must not keep a block.
func readBlocks(r io.Reader, f func(b *logstorage.DataBlock)) error {
	lines := bufio.NewScanner(r)
	lines.Buffer(make([]byte, 64<<10), maxRowText)
	var parser fastjson.Parser
	b := blockBuilder{columns: make(map[string]int)}
	for lines.Scan() {
		if len(lines.Bytes()) == 0 {
			continue
		}
		if lines.Bytes()[0] != '{' {
			// An answer that fails on its way ends with why, and is cut off.
			return fmt.Errorf("the answer ended early: %.500s", lines.Bytes())
		}
		row, err := parser.ParseBytes(lines.Bytes())
		if err == nil {
			err = b.add(row)
		}
		if err != nil {
			return fmt.Errorf("read row of the answer: %w", err)
		}
		if b.rows >= blockRows || b.bytes >= blockBytes {
			b.flush(f)
		}
	}
	if err := lines.Err(); err != nil {
		if errors.Is(err, bufio.ErrTooLong) {
			err = fmt.Errorf("a row has more than %d bytes", maxRowText)
		}
		return fmt.Errorf("read rows of the answer: %w", err)
	}
	b.flush(f)
	return nil
}

// blockBuilder puts rows together to columns.
type blockBuilder struct {
	columns map[string]int // index into block.Columns
	block   logstorage.DataBlock
	rows    int
	bytes   int
}

var errNoObject = errors.New("it is no JSON object of strings")

func (b *blockBuilder) add(row *fastjson.Value) error {
	object, err := row.Object()
	if err != nil {
		return errNoObject
	}
	object.Visit(func(key []byte, v *fastjson.Value) {
		text, e := v.StringBytes()
		if e != nil {
			err = errNoObject
			return
		}
		b.set(key, text)
	})
	b.rows++
	for i := range b.block.Columns {
		b.fill(&b.block.Columns[i], b.rows)
	}
	return err
}

// set gives the row at hand a value. A name that comes twice keeps the first.
func (b *blockBuilder) set(name, value []byte) {
	i, ok := b.columns[string(name)]
	if !ok {
		i = len(b.block.Columns)
		b.columns[string(name)] = i
		b.block.Columns = append(b.block.Columns, logstorage.BlockColumn{Name: string(name)})
	}
	c := &b.block.Columns[i]
	b.fill(c, b.rows)
	if len(c.Values) > b.rows {
		return
	}
	if n := len(c.Values); n > 0 && c.Values[n-1] == string(value) {
		c.Values = append(c.Values, c.Values[n-1])
		return
	}
	c.Values = append(c.Values, string(value))
	b.bytes += len(value) + 16
}

// fill gives rows that had no value of the column the empty one.
func (b *blockBuilder) fill(c *logstorage.BlockColumn, rows int) {
	for len(c.Values) < rows {
		c.Values = append(c.Values, "")
	}
}

func (b *blockBuilder) flush(f func(b *logstorage.DataBlock)) {
	if b.rows > 0 {
		f(&b.block)
	}
	*b = blockBuilder{columns: make(map[string]int)}
}
