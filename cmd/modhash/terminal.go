// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"io"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/term"

	"github.com/modhash/modhash/kbuild"
)

func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// meter shows on a terminal how far a job is.
type meter struct {
	w       io.Writer
	modules atomic.Int64
	bytes   atomic.Int64
	begin   time.Time
	stop    chan struct{}
	done    sync.WaitGroup
}

// meter starts one if standard error is a terminal; otherwise it returns a
// meter that shows nothing.
func (a *app) meter() *meter {
	m := &meter{w: a.stderr, begin: time.Now()}
	if a.quiet || !isTerminal(a.stderr) {
		return m
	}
	m.stop = make(chan struct{})
	m.done.Go(func() {
		tick := time.NewTicker(200 * time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
				m.show()
			case <-m.stop:
				fmt.Fprint(m.w, "\r\x1b[K")
				return
			}
		}
	})
	return m
}

func (m *meter) show() {
	n := m.bytes.Load()
	rate := float64(n) / 1e6 / time.Since(m.begin).Seconds()
	fmt.Fprintf(m.w, "\r\x1b[K%d modules, %d MB, %.0f MB/s", m.modules.Load(), n/1e6, rate)
}

// progress is to be called for every module.
func (m *meter) progress() kbuild.Progress {
	if m.stop == nil {
		return nil
	}
	return func(n int64) {
		m.modules.Add(1)
		m.bytes.Add(n)
	}
}

// close clears the line.
func (m *meter) close() {
	if m.stop != nil {
		close(m.stop)
		m.done.Wait()
		m.stop = nil
	}
}
