// SPDX-License-Identifier: Apache-2.0

//go:build cgo && softhsm

package main

import (
	"crypto/sha256"
	"encoding/base64"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"

	"github.com/miekg/pkcs11"
)

// TestMain makes this program be modhash-pkcs11, or a program that logs in over and
// over and knows nothing of turns.
func TestMain(m *testing.M) {
	switch os.Getenv("MODHASH_TEST_AS") {
	case "helper":
		os.Exit(run(os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
	case "other":
		for {
			logInAndOut(os.Args[1])
		}
	}
	os.Exit(m.Run())
}

// logInAndOut does not care whether it worked: there are several.
func logInAndOut(module string) {
	ctx := pkcs11.New(module)
	if ctx == nil || ctx.Initialize() != nil {
		return
	}
	slots, _ := ctx.GetSlotList(true)
	for _, slot := range slots {
		if info, err := ctx.GetTokenInfo(slot); err != nil || trim(info.Label) != "mine" {
			continue
		}
		if session, err := ctx.OpenSession(slot, pkcs11.CKF_SERIAL_SESSION); err == nil {
			_ = ctx.Login(session, pkcs11.CKU_USER, "123456")
		}
	}
	_ = ctx.Finalize()
	ctx.Destroy()
}

// TestSoftHSMMany: as make -j starts them, by the dozen, while other programs are at
// the token. Without the turns, or without trying again, every second one fails.
func TestSoftHSMMany(t *testing.T) {
	module := softHSM(t)
	for range 2 {
		other := exec.Command(os.Args[0], module)
		other.Env = append(os.Environ(), "MODHASH_TEST_AS=other")
		if err := other.Start(); err != nil {
			t.Fatal(err)
		}
		defer func() {
			_ = other.Process.Kill()
			_ = other.Wait()
		}()
	}
	b64 := base64.StdEncoding.EncodeToString
	digest := sha256.Sum256(read(t, "payload.bin"))
	requests := "open pkcs11:token=mine;object=rsa\npin " + b64([]byte("123456")) + "\ncertificate\nsign rsa sha256 " + b64(digest[:]) + "\n"
	want := ask(t, module, requests)
	if !strings.HasPrefix(want, "pin mine\nok\ncertificate ") || strings.Count(want, "\n") != 4 || !strings.Contains(want, "\nsignature ") {
		t.Fatalf("%.200q", want)
	}
	var all sync.WaitGroup
	for range 12 {
		all.Go(func() {
			for range 6 {
				if got := ask(t, module, requests); got != want {
					t.Errorf("%.200q", got)
				}
			}
		})
	}
	all.Wait()
	// A wrong PIN is shown once, and ends it at once.
	wrong := "open pkcs11:token=mine\npin " + b64([]byte("1234567")) + "\n"
	if got := ask(t, module, wrong); got != "pin mine\nerror token mine: pkcs11: 0xA0: CKR_PIN_INCORRECT\n" {
		t.Errorf("%.200q", got)
	}
}

// ask lets a process of its own answer.
func ask(t *testing.T, module, requests string) string {
	cmd := exec.Command(os.Args[0], "--module", module)
	cmd.Env = append(os.Environ(), "MODHASH_TEST_AS=helper")
	cmd.Stdin = strings.NewReader(requests)
	out, err := cmd.Output()
	if err != nil {
		t.Errorf("%v after %.200q", err, out)
	}
	return string(out)
}
