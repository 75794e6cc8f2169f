package usage

// everybody is a claim of more than one, or of what is not known.
const everybody = -1

// blobs are all of a root, by the places that a walk gives them.
type blobs struct{ all []blob }

// blob is what is known of one, in 32 bytes.
type blob struct {
	size int64

	// The only image, and the only repository, that refers to it, counted from 1; 0: none.
	image, repository int32
	// The image, and the repository, that counted it last.
	countedIn, countedOf int32

	here    bool
	copies  uint8 // of it, when it is here; 0: not known
	asked   bool  // something refers to it that is asked about
	outside bool  // something does that is not
}

// claim notes that an image of a repository refers to the blob.
func (b *blob) claim(image, repository int32) {
	claim(&b.image, image)
	claim(&b.repository, repository)
}

func claim(of *int32, by int32) {
	switch *of {
	case 0, by:
		*of = by
	default:
		*of = everybody
	}
}

// counter counts the blobs of one image.
type counter struct {
	of                *blobs
	image, repository *Row
	imageAt, at       int32 // of these, counted from 1
	asked             bool
}

// begin adds an image of the last repository, and counts its blobs.
func (m *measurement) begin(of *blobs, image Row, asked bool) *counter {
	m.images, m.askedImages = append(m.images, image), append(m.askedImages, asked)
	at := len(m.repositories) - 1
	m.asked[at] = m.asked[at] || asked
	return &counter{
		of: of, image: &m.images[len(m.images)-1], repository: &m.repositories[at],
		imageAt: int32(len(m.images)), at: int32(len(m.repositories)), asked: asked,
	}
}

// visit counts a blob that the image needs.
func (c *counter) visit(place int) {
	b := &c.of.all[place]
	if b.countedIn != c.imageAt {
		b.countedIn = c.imageAt
		c.image.add(b)
	}
	c.note(b, c.imageAt)
}

// all counts a blob that might belong to any image of the repository.
func (c *counter) all(place int) { c.note(&c.of.all[place], everybody) }

func (c *counter) note(b *blob, image int32) {
	if b.countedOf != c.at {
		b.countedOf = c.at
		c.repository.add(b)
	}
	b.claim(image, c.at)
	b.asked, b.outside = b.asked || c.asked, b.outside || !c.asked
}

// sum counts each blob where nothing else refers to it.
func (m *measurement) sum(of *blobs) {
	for i := range of.all {
		b := &of.all[i]
		if b.here {
			m.report.Named.add(b.size)
		}
		switch {
		case b.image > 0:
			m.images[b.image-1].own(b)
		case b.image == 0 && b.here:
			m.report.Garbage.add(b.size)
		}
		if b.repository > 0 {
			m.repositories[b.repository-1].own(b)
		}
		if b.here && b.asked && !b.outside {
			m.report.Together.add(b.size)
		}
	}
}

// freeNothing is for a map in which anything might be needed.
func (m *measurement) freeNothing() {
	for _, rows := range [][]Row{m.images, m.repositories} {
		for i := range rows {
			rows[i].Frees = 0
		}
	}
	m.report.Garbage, m.report.Together = Sum{}, Sum{}
}

// asked are the rows that are asked about, in order.
func asked(rows []Row, is []bool) []Row {
	some := rows[:0]
	for i, row := range rows {
		if is[i] {
			some = append(some, row)
		}
	}
	order(some)
	return some
}
