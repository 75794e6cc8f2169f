package engine

import (
	"context"
	"fmt"
	"slices"
	"strings"

	libpeer "github.com/libp2p/go-libp2p/core/peer"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/replica/survey"
)

// openSurvey makes what asks the members, again and again, for copies of what is here.
func (e *Engine) openSurvey(context.Context) error {
	e.survey = survey.New(survey.Config{
		Self: e.self, Blobs: e.Blobs.After, Keepers: e.Copies.Keepers, Kept: e.Copies.Kept,
		Members: e.askable, Ask: e.Copies.Ask, State: e.surveyState, Least: e.cfg.SurveyLeast, Rest: e.cfg.SurveyRest, Log: e.Log,
	})
	return nil
}

// Surveyed is what the last survey found; false when there was none: before the first has ended,
// and offline.
func (e *Engine) Surveyed() (survey.Result, bool) { return e.survey.Last() }

// askable are the members that can be asked now what they have.
func (e *Engine) askable() (ids []libpeer.ID) {
	for _, m := range e.Peer.Members() {
		if m.Connected && e.Peer.Trusts(m.ID) && slices.Contains(m.Capabilities, "copies") {
			ids = append(ids, m.ID)
		}
	}
	return ids
}

func (e *Engine) surveyState() survey.State {
	var s survey.State
	s.Blobs, s.Bytes = e.Blobs.Usage()
	var ids []string
	for _, id := range e.askable() {
		ids = append(ids, string(id))
	}
	s.Members = strings.Join(ids, "")
	k := e.Copies.State()
	s.Keepers = fmt.Sprint(k.View, k.Settled)
	return s
}
