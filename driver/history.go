package driver

import "time"

// HistoryStatus is how much this registry has of the changes that led to its path map. What all known
// registries have merged it drops, but for the last keepchanges.
type HistoryStatus struct {
	Kept        int        `json:"kept"`         // changes that are here; counted a moment after the start
	Compacted   int        `json:"compacted"`    // changes of which only the names are here: all known registries had merged them
	CompactedAt *time.Time `json:"compacted_at"` // when the last of these was dropped; nil: none was
	WaitsFor    []Unheard  `json:"waits_for"`    // those who are not known to have merged what would be dropped next
	WaitsSince  *time.Time `json:"waits_since"`  // since when these are waited for; nil: nobody is
	Held        string     `json:"held"`         // why nothing is dropped now, whoever has merged it; "": nothing is in the way
}

func (s *store) historyStatus() HistoryStatus {
	h := s.paths.History()
	st := HistoryStatus{Kept: h.Kept, Compacted: h.Compacted, Held: h.Held, WaitsFor: []Unheard{}}
	if !h.At.IsZero() {
		st.CompactedAt = &h.At
	}
	if !h.Since.IsZero() {
		st.WaitsSince = &h.Since
	}
	for _, id := range h.Waits {
		why := s.engine.WhyUnheard(id, nil)
		if why == "" {
			why = "it is connected, and has not merged all of that yet"
		}
		st.WaitsFor = append(st.WaitsFor, Unheard{PeerID: id, Name: s.engine.NameOf(id), Reason: why})
	}
	return st
}
