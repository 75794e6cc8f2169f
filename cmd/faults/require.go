package main

import (
	"context"
	"fmt"
)

// notRequired reports whether changes are merged without a signature still.
func notRequired(t *trial) bool { return !t.required }

// require has one of the five require signatures, while clients go on. It is refused as long as somebody is away, and
// asked for again. From then on the maps agree only if nobody holds up what another has.
func (t *trial) require(ctx context.Context) error {
	if t.required {
		return nil
	}
	by := t.any()
	err := t.await(ctx, func() (string, error) {
		if err := t.forgetReplaced(ctx, by); err != nil {
			return fmt.Sprintf("status of %s: %v", by.Name, err), nil
		}
		if err := by.RequireSignatures(ctx); err != nil {
			return fmt.Sprintf("%s requires no signatures: %v", by.Name, err), nil
		}
		return "", nil
	})
	if err != nil {
		return t.notTrue(ctx, err)
	}
	t.required = true
	t.count("require", "signatures, by %s", by.Name)
	return nil
}

// signed waits until all registries say that signatures are required, if they are.
func (t *trial) signed(ctx context.Context) error {
	if !t.required {
		return nil
	}
	return t.await(ctx, func() (string, error) {
		for _, m := range t.swarm.Members {
			if st, err := m.Ask(ctx); err != nil || st.Map.Signatures == nil {
				return fmt.Sprintf("%s requires no signatures: %v", m.Name, err), nil
			}
		}
		return "", nil
	})
}
