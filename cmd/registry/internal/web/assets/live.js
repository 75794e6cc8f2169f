// One stream of events for the view that is shown.

const again = 5000; // milliseconds until a stream that was refused is tried again

export class Live {
  constructor(tell, state) {
    this.tell = tell; // (event, data)
    this.state = state; // (text): "" while it is live
  }

  // watch opens the stream for a view, in the place of the one before.
  watch(view) {
    this.stop();
    const source = new EventSource(`events?view=${encodeURIComponent(view)}`);
    this.source = source;
    source.onopen = () => {
      this.state("");
      this.tell("open", null);
    };
    source.onerror = () => {
      this.state("The registry does not answer: trying again …");
      if (source.readyState !== EventSource.CLOSED) return; // the browser tries again by itself
      this.timer = setTimeout(() => this.watch(view), again);
    };
    for (const event of ["here", "swarm", "transfers"]) {
      source.addEventListener(event, (e) => this.tell(event, JSON.parse(e.data)));
    }
  }

  stop() {
    clearTimeout(this.timer);
    if (this.source) this.source.close();
  }
}
