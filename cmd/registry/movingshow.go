package main

import (
	"fmt"
	"io"
	"os"
	"time"

	"github.com/schollz/progressbar/v3"
	"golang.org/x/term"
)

// movingEvery is how often progress is printed where there is no terminal to draw a bar on.
const movingEvery = 5 * time.Second

// movingShow shows how far an import or an export is.
type movingShow struct {
	out  io.Writer
	bar  *progressbar.ProgressBar // nil: not a terminal, or nothing is known yet
	tty  bool
	last time.Time
}

func newMovingShow(out io.Writer) *movingShow {
	f, ok := out.(*os.File)
	return &movingShow{out: out, tty: ok && term.IsTerminal(int(f.Fd()))}
}

// tell shows a text, and how much of something is done.
func (s *movingShow) tell(text string, done, of int64) {
	switch {
	case s.tty && of > 0:
		if s.bar == nil {
			s.bar = progressbar.NewOptions64(1, progressbar.OptionSetWriter(s.out), progressbar.OptionSetWidth(30), progressbar.OptionClearOnFinish())
		}
		s.bar.Describe(text)
		s.bar.ChangeMax64(max(of, done, 1))
		_ = s.bar.Set64(done) // it fails when there is nothing to draw on
	case !s.tty && time.Since(s.last) >= movingEvery:
		s.last = time.Now()
		_, _ = fmt.Fprintln(s.out, text)
	}
}

func (s *movingShow) end() {
	if s.bar != nil {
		_ = s.bar.Finish()
	}
}
