package main

import (
	"context"
	"fmt"
	"io"
	"log"
	"os"
	"strings"
	"time"

	"github.com/distribution/distribution/v3/configuration"
	"github.com/sirupsen/logrus"
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/trace/noop"
)

// setUpLogs gives the log the level and format that upstream will give it later, because the
// storage is opened and mistakes are reported before that. net/http's own messages go to the
// same log.
func setUpLogs(c configuration.Log) {
	if level, err := logrus.ParseLevel(string(c.Level)); err == nil {
		logrus.SetLevel(level)
	}
	switch c.Formatter {
	case "json":
		logrus.SetFormatter(&logrus.JSONFormatter{TimestampFormat: time.RFC3339Nano, DisableHTMLEscape: true})
	case "logstash":
		logrus.SetFormatter(&logrus.JSONFormatter{TimestampFormat: time.RFC3339Nano, FieldMap: logrus.FieldMap{logrus.FieldKeyFunc: "function"}})
	}
	log.SetFlags(0)
	log.SetOutput(warnings{})
}

// held keeps what is logged before the log's format is known.
type held struct{ entries []*logrus.Entry }

// Levels implements logrus.Hook.
func (h *held) Levels() []logrus.Level { return logrus.AllLevels }

// Fire implements logrus.Hook.
func (h *held) Fire(e *logrus.Entry) error {
	kept := e.Dup() // which does not copy these two
	kept.Level, kept.Message = e.Level, e.Message
	h.entries = append(h.entries, kept)
	return nil
}

// holdLogs keeps back what is logged until release. No other goroutine may log meanwhile.
func holdLogs() (release func()) {
	h, std := &held{}, logrus.StandardLogger()
	out := std.Out
	hooks := std.ReplaceHooks(logrus.LevelHooks{})
	std.AddHook(h)
	std.SetOutput(io.Discard)
	return func() {
		std.ReplaceHooks(hooks)
		std.SetOutput(out)
		for _, e := range h.entries {
			std.WithFields(e.Data).Log(e.Level, e.Message)
		}
	}
}

// warnings receives what is written to Go's own log.
type warnings struct{}

func (warnings) Write(b []byte) (int, error) {
	logrus.Warn(strings.TrimSpace(string(b)))
	return len(b), nil
}

// logsJSON reports whether every line of the log has to be JSON.
func logsJSON() bool {
	_, ok := logrus.StandardLogger().Formatter.(*logrus.JSONFormatter)
	return ok
}

// failed logs why a command failed, as the last line.
func failed(err error) {
	text := strings.Join(strings.Fields(printable(err.Error())), " ")
	if logsJSON() {
		logrus.Error(text)
		return
	}
	fmt.Fprintln(os.Stderr, "registry: "+text)
}

// dropSpans ends upstream's tracing when no collector takes the spans: it would write each
// of them into the log at debug.
func dropSpans(ctx context.Context) {
	if os.Getenv(tracesExporter) != "none" {
		return
	}
	if p, ok := otel.GetTracerProvider().(interface{ Shutdown(context.Context) error }); ok {
		_ = p.Shutdown(ctx) // the spans of the start, which are of no use
	}
	otel.SetTracerProvider(noop.NewTracerProvider())
}
