// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"io"
	"os/exec"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/modhash/modhash/kbuild/report"
)

// answerWait is how long a program may take for an answer before it is told that it is
// waited for.
const answerWait = 10 * time.Second

// starter returns what starts the program of a key. One that answers nothing for a while
// is told of, once, and after a timeout other than 0 it is ended.
func (a *app) starter(timeout time.Duration) func(context.Context, []string) (io.ReadWriteCloser, error) {
	var once sync.Once
	return func(ctx context.Context, argv []string) (io.ReadWriteCloser, error) {
		p, err := a.startProgram(ctx, argv)
		if err != nil {
			return nil, err
		}
		return &awaited{runningProgram: p, timeout: timeout, wait: answerWait, late: func() {
			once.Do(func() {
				a.message("note", fmt.Sprintf("waiting for %s, which has not answered for %v: it must answer each line at once, without waiting for the end of its input", argv[0], answerWait))
			})
		}}, nil
	}
}

// awaited is a program that owes an answer for each write.
type awaited struct {
	*runningProgram
	wait, timeout time.Duration
	late          func()

	timers [2]*time.Timer // since the last write; nil: none
	ended  atomic.Bool    // after the timeout
}

func (p *awaited) Write(b []byte) (int, error) {
	// Also for the write: a program that reads nothing fills the pipe.
	p.stop()
	p.timers[0] = time.AfterFunc(p.wait, p.late)
	if p.timeout > 0 {
		p.timers[1] = time.AfterFunc(p.timeout, func() {
			p.ended.Store(true)
			_ = p.cmd.Process.Kill() // it may have ended
		})
	}
	return p.runningProgram.Write(b)
}

func (p *awaited) Read(b []byte) (int, error) {
	n, err := p.runningProgram.Read(b)
	p.stop()
	return n, err
}

// Close says why the program ended if it was not by itself.
func (p *awaited) Close() error {
	p.stop()
	err := p.runningProgram.Close()
	if p.ended.Load() {
		return fmt.Errorf("none came within %v, which is how long --key-timeout waits", p.timeout)
	}
	return err
}

func (p *awaited) stop() {
	for _, t := range p.timers {
		if t != nil {
			t.Stop()
		}
	}
}

// startProgram starts the program of an exec: key. What it writes to standard
// error is passed on, made safe for a terminal.
func (a *app) startProgram(ctx context.Context, argv []string) (*runningProgram, error) {
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = 2 * time.Second
	cmd.Stderr = &lineWriter{write: func(line string) { fmt.Fprintf(a.stderr, "%s\n", report.Safe(line)) }}
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	return &runningProgram{out, in, cmd}, nil
}

type runningProgram struct {
	io.Reader
	io.WriteCloser
	cmd *exec.Cmd
}

// Close ends the program by the end of its input; one that does not take the
// hint is killed.
func (p *runningProgram) Close() error {
	_ = p.WriteCloser.Close() // it may have ended
	kill := time.AfterFunc(5*time.Second, func() { _ = p.cmd.Process.Kill() })
	defer kill.Stop()
	return p.cmd.Wait()
}
