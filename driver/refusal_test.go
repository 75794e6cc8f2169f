package driver

import (
	"context"
	"errors"
	"io"
	"testing"
)

func TestRefusalsKeepTheNewest(t *testing.T) {
	ctx, refusals := WithRefusals(context.Background())
	if refusals.Last() != nil {
		t.Fatal("a request that has just begun was refused")
	}
	_ = refuse(ctx, Refusal{Status: 507, Err: io.ErrShortWrite})
	err := refuse(ctx, Refusal{Status: 503, Err: io.ErrUnexpectedEOF})
	var r *Refusal
	if !errors.As(err, &r) || r.Status != 503 || !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Fatalf("refuse gave %v", err)
	}
	if last := refusals.Last(); last == nil || last.Status != 503 {
		t.Fatalf("the newest refusal is %v", last)
	}
	if err := refuse(context.Background(), Refusal{Err: io.EOF}); !errors.Is(err, io.EOF) {
		t.Fatalf("refuse outside a request gave %v", err)
	}
}
