// What the page asks its server. All addresses are relative: the token is in the page's own.

async function understood(response) {
  const answer = await response.json().catch(() => ({ error: `the server answered ${response.status}` }));
  if (!response.ok) throw new Error(answer.error ?? `the server answered ${response.status}`);
  return answer;
}

export async function ask(what, values = {}) {
  const wanted = new URLSearchParams();
  for (const [name, value] of Object.entries(values)) {
    if (value !== null && value !== undefined) wanted.set(name, String(value));
  }
  return understood(await fetch(`api/${what}?${wanted}`));
}

// A monitor command. Resolves to what it said, and who obeys it.
export async function obey(line) {
  return understood(await fetch("api/obey", {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ line }),
  }));
}

export function listen(told, lost) {
  const source = new EventSource("api/states");
  source.onmessage = (event) => told(JSON.parse(event.data));
  source.onerror = () => lost();
}
