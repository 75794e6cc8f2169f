// Questions that are answered once. A later question takes the place of an earlier one of its kind.

const asked = new Map(); // by the path

// ask returns what the registry answers, or undefined when another question took its place. Its error
// says what the registry said.
export async function ask(path, params = {}) {
  if (asked.has(path)) asked.get(path).abort();
  const control = new AbortController();
  asked.set(path, control);
  try {
    const response = await fetch(`data/${path}?${new URLSearchParams(params)}`, { signal: control.signal });
    const answer = await response.json();
    if (!response.ok) throw new Error(answer.error);
    return answer;
  } catch (trouble) {
    if (control.signal.aborted) return undefined;
    throw trouble;
  } finally {
    if (asked.get(path) === control) asked.delete(path);
  }
}

// forget ends a question whose answer nobody wants any more.
export function forget(path) {
  if (asked.has(path)) asked.get(path).abort();
}
