package mark

// graph is which manifests of a repository keep which others.
type graph struct {
	r         *repository
	referrers map[int][]int // of a subject; both are places in revisions
	reached   []bool        // of revisions
	todo      []int         // reached, and not yet followed
}

// newGraph gives the graph of a repository, which notes in reached what it comes to.
func (r *repository) newGraph(reached []bool) *graph {
	g := &graph{r: r, referrers: map[int][]int{}, reached: reached}
	for i, n := range r.named {
		if n == nil {
			continue
		}
		for s := range n.subjects.len() {
			if subject, ok := r.revisions.find(n.subjects.at(s)); ok {
				g.referrers[subject] = append(g.referrers[subject], i)
			}
		}
	}
	return g
}

// reach marks the manifest of a digest, when the repository has it.
func (g *graph) reach(x id) {
	if i, ok := g.r.revisions.find(x); ok {
		g.mark(i)
	}
}

func (g *graph) mark(i int) {
	if !g.reached[i] {
		g.reached[i] = true
		g.todo = append(g.todo, i)
	}
}

// next gives the next manifest that was reached, and reaches what it keeps: those that it
// names, and its referrers.
func (g *graph) next() (i int, ok bool) {
	if len(g.todo) == 0 {
		return 0, false
	}
	i = g.todo[len(g.todo)-1]
	g.todo = g.todo[:len(g.todo)-1]
	if n := g.r.named[i]; n != nil {
		for k := range n.needs.len() {
			g.reach(n.needs.at(k))
		}
	}
	for _, referrer := range g.referrers[i] {
		g.mark(referrer)
	}
	return i, true
}
