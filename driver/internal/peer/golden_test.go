package peer

import (
	"encoding/json"
	"flag"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/distribution-ipfs/distribution-ipfs/driver/drivertest/golden"
)

var update = flag.Bool("update", false, "write the golden bytes anew")

const (
	goldenID   = "12D3KooWDpJ7As7BWAwRMfu1VU2WCqNjvq387JEYKDBj4kx6nXTN"
	goldenAddr = "/ip4/192.0.2.1/tcp/4619"
)

func goldenBeat() heartbeatMsg {
	capacity := int64(7)
	return heartbeatMsg{
		Format: heartbeatVersion, Run: 2, Seq: 3, Name: "a", Version: "v1.0.0", Caps: []string{"replicas"}, Zone: "z",
		Capacity: &capacity, Free: 9, Draining: true, Drained: true, Trust: "all",
		Keys: []string{"0011223344556677", "8899aabbccddeeff"},
	}
}

// TestGoldenMessages: what peers say of themselves, to each other.
func TestGoldenMessages(t *testing.T) {
	beat, full := goldenBeat(), goldenBeat()
	full.NoRoom = &Amount{3, 1024}
	said := hello{
		Version: helloVersion, Trust: "all", Self: []string{goldenAddr}, Data: []string{"/ip4/192.0.2.1/tcp/4620"}, Name: "a",
		Caps: []string{"replicas"}, Beat: json.RawMessage(golden.JSON(t, beat)), Want: true,
		Relays: []string{goldenID},
	}
	other := helloMember{ID: goldenID, Addrs: []string{goldenAddr}, Caps: []string{"replicas"}, Relays: []string{goldenID}}
	var text strings.Builder
	if err := writeHello(&text, said, slices.Values([]helloMember{other, other})); err != nil {
		t.Fatal(err)
	}
	reach := reachAnswer{Version: reachVersion, Seen: goldenAddr, Tried: []triedAddr{{goldenAddr, true, Reached}, {goldenAddr, false, Silent}}}
	stored := golden.Held(t, *update, "messages.json", map[string]string{
		"hello": text.String(), "heartbeat": golden.JSON(t, beat), "heartbeat of a full disk": golden.JSON(t, full), "reach question": golden.JSON(t, reachAsk{reachVersion}),
		"reach answer": golden.JSON(t, reach), "reach refusal": golden.JSON(t, reachAnswer{Version: reachVersion, Refused: true}),
	})
	var named []helloMember
	got, err := readHello(strings.NewReader(stored["hello"]), helloWithNames, func(m helloMember) { named = append(named, m) })
	if err != nil || !reflect.DeepEqual(got, said) || !reflect.DeepEqual(named, []helloMember{other, other}) {
		t.Errorf("%+v %+v %v", got, named, err)
	}
	heard, err := readHeartbeat([]byte(stored["heartbeat"]))
	if err != nil {
		t.Fatal(err)
	}
	if heard.raw = nil; !reflect.DeepEqual(*heard, beat) {
		t.Errorf("%+v", heard)
	}
	if heard, err = readHeartbeat([]byte(stored["heartbeat of a full disk"])); err != nil || heard.public(time.Time{}).NoRoom != *full.NoRoom {
		t.Errorf("%+v %v", heard, err)
	}
	if a, err := readReach(strings.NewReader(stored["reach answer"])); err != nil || !reflect.DeepEqual(a, reach) {
		t.Errorf("%+v %v", a, err)
	}
	if a, err := readReach(strings.NewReader(stored["reach refusal"])); err != nil || !a.Refused {
		t.Errorf("%+v %v", a, err)
	}
}

// TestGoldenRecords: what a peer remembers of others, and of itself.
func TestGoldenRecords(t *testing.T) {
	at := time.Unix(1700000000, 5).UTC()
	m := remembered{
		Version: rememberVersion, Addrs: []string{goldenAddr}, First: at, Seen: at.Add(time.Hour), Connected: true, Away: time.Minute, Uptime: time.Second,
		Name: "a", Caps: []string{"replicas"}, Unused: true, Site: "192.0.2.0/24", Beat: json.RawMessage(golden.JSON(t, goldenBeat())),
	}
	record, err := updated(nil, m)
	if err != nil {
		t.Fatal(err)
	}
	listed := remembered{Version: rememberVersion, Addrs: []string{}, First: at, Seen: at, Listed: "1f-" + goldenID + ".abcdefgh", Told: time.Minute}
	of, err := updated(record, listed)
	if err != nil {
		t.Fatal(err)
	}
	alive := moment{Time: at, Uptime: time.Hour}
	stored := golden.Held(t, *update, "records.json", map[string]string{"member": string(record), "listed": string(of), "alive": golden.JSON(t, alive)})
	var got remembered
	if err := json.Unmarshal([]byte(stored["member"]), &got); err != nil || !reflect.DeepEqual(got, m) {
		t.Errorf("%+v %v", got, err)
	}
	got = remembered{}
	if err := json.Unmarshal([]byte(stored["listed"]), &got); err != nil || !reflect.DeepEqual(got, listed) {
		t.Errorf("%+v %v", got, err)
	}
	var was moment
	if err := json.Unmarshal([]byte(stored["alive"]), &was); err != nil || was != alive {
		t.Errorf("%+v %v", was, err)
	}
}
