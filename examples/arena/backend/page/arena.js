// The game's page: inputs out, updates in, and figures on how well the gateway carries them.

const $ = (id) => document.getElementById(id);
const address = `${location.protocol === "https:" ? "wss" : "ws"}://${location.host}/arena/dev`;

const firstWait = 500; // ms before the first try to connect again; doubled each time
const longestWait = 15_000;
const pingEvery = 500; // ms
const tripsKept = 20;
const rateWindow = 2000; // ms over which the updates per second are counted

let socket;
let wait = firstWait;
let me; // what the backend said at join, or undefined
let arena; // the last update
const pressed = new Set();
let touch; // {x, y} in units of the arena while a finger or a mouse button is down
let sent = { seq: 0, dx: 0, dy: 0 };

// --- figures ------------------------------------------------------------------------------------------------------

let arrivals, trips, gaps, swaps, lastTick;

function forgetFigures() {
  arrivals = [];
  trips = [];
  gaps = swaps = 0;
  lastTick = undefined;
  sent = { seq: 0, dx: 0, dy: 0 };
}

function count(tick) {
  const now = performance.now();
  arrivals.push(now);
  while (arrivals[0] < now - rateWindow) arrivals.shift();
  if (lastTick !== undefined) {
    if (tick <= lastTick) swaps++;
    else gaps += tick - lastTick - 1;
  }
  lastTick = Math.max(tick, lastTick ?? 0);
}

function showFigures() {
  const span = arrivals.length > 1 ? arrivals.at(-1) - arrivals[0] : 0;
  const rate = span ? (arrivals.length - 1) / (span / 1000) : 0;
  const median = [...trips].sort((a, b) => a - b)[trips.length >> 1];
  figure("rate", rate ? `${rate.toFixed(1)} of ${me?.rate ?? "–"}` : "–", me && rate < me.rate * 0.9);
  figure("trip", median === undefined ? "–" : `${median.toFixed(1)} ms`);
  figure("gaps", gaps, gaps > 0);
  figure("swaps", swaps, swaps > 0);
  figure("inputs", arena ? `${sent.seq} / ${arena.input}` : "–");
  figure("disorder", arena ? arena.disorder : "–", arena?.disorder > 0);
}

function figure(id, text, bad = false) {
  $(id).textContent = text;
  $(id).classList.toggle("bad", bad);
}

// --- connection ---------------------------------------------------------------------------------------------------

function connect() {
  status("connecting", "connecting …");
  socket = new WebSocket(address);
  socket.onopen = () => {
    wait = firstWait;
    status("open", "connected");
    if ($("name").value) join();
  };
  socket.onmessage = (event) => receive(JSON.parse(event.data));
  socket.onclose = () => {
    me = arena = undefined;
    const pause = wait / 2 + Math.random() * (wait / 2); // chance spreads clients that all lost the same gateway
    wait = Math.min(wait * 2, longestWait);
    status("waiting", `disconnected, next try in ${Math.max(1, Math.round(pause / 1000))} s`);
    setTimeout(connect, pause);
  };
}

function ask(action, fields) {
  if (socket.readyState === WebSocket.OPEN) socket.send(JSON.stringify({ action, ...fields }));
}

function join() {
  ask("join", { name: $("name").value });
}

function receive(m) {
  if (m.action === "ping") {
    trips.push(performance.now() - m.at);
    if (trips.length > tripsKept) trips.shift();
  } else if (m.type === "update") {
    arena = m;
    count(m.tick);
  } else if (m.type === "joined") {
    me = m;
    forgetFigures();
    $("arena").focus();
  } else if (m.type === "expired") {
    if (me) join(); // the backend was started anew
    me = undefined;
  } else {
    status("open", m.text ?? m.message); // an error of the backend, or an error frame of the gateway
  }
}

function status(state, text) {
  $("status").dataset.state = state;
  $("status").textContent = text;
}

// --- input --------------------------------------------------------------------------------------------------------

const directions = {
  ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1],
  KeyA: [-1, 0], KeyD: [1, 0], KeyW: [0, -1], KeyS: [0, 1],
};

function steer() {
  let dx = 0;
  let dy = 0;
  for (const key of pressed) {
    dx += directions[key][0];
    dy += directions[key][1];
  }
  const self = arena?.players.find((p) => p.id === me?.id);
  if (touch && self) {
    const distance = Math.hypot(touch.x - self.x, touch.y - self.y);
    if (distance > me.radius) [dx, dy] = [(touch.x - self.x) / distance, (touch.y - self.y) / distance];
  }
  if (!me || (Math.abs(dx - sent.dx) < 0.01 && Math.abs(dy - sent.dy) < 0.01)) return;
  sent = { seq: sent.seq + 1, dx, dy };
  ask("steer", sent);
}

$("arena").addEventListener("keydown", (event) => {
  if (!(event.code in directions)) return;
  event.preventDefault();
  pressed.add(event.code);
  steer();
});
$("arena").addEventListener("keyup", (event) => {
  pressed.delete(event.code);
  steer();
});
$("arena").addEventListener("blur", () => {
  pressed.clear();
  steer();
});
for (const kind of ["pointerdown", "pointermove"]) {
  $("arena").addEventListener(kind, (event) => {
    if (event.buttons === 0) return;
    const box = $("arena").getBoundingClientRect();
    touch = { x: ((event.clientX - box.left) / box.width) * 800, y: ((event.clientY - box.top) / box.height) * 500 };
  });
}
for (const kind of ["pointerup", "pointercancel", "pointerleave"]) {
  $("arena").addEventListener(kind, () => (touch = undefined));
}
$("join").addEventListener("submit", (event) => {
  event.preventDefault();
  sessionStorage.setItem("name", $("name").value);
  join();
});

// --- picture ------------------------------------------------------------------------------------------------------

const pen = $("arena").getContext("2d");

function colour(id) {
  return `hsl(${(id * 137) % 360} 70% 65%)`; // neighbouring ids get colours far apart
}

function draw() {
  requestAnimationFrame(draw);
  steer();
  pen.clearRect(0, 0, 800, 500);
  pen.textAlign = "center";
  pen.font = "13px system-ui, sans-serif";
  if (!arena) {
    pen.fillStyle = "#a3abb5";
    pen.fillText("Enter a name and play: steer with the arrow keys, collect the pearls.", 400, 250);
    return;
  }
  pen.fillStyle = "#f7e9c8";
  for (const p of arena.pearls) disc(p.x, p.y, 4);
  for (const p of arena.players) {
    pen.fillStyle = colour(p.id);
    disc(p.x, p.y, me?.radius ?? 14);
    if (p.id === me?.id) {
      pen.strokeStyle = "#ffffff";
      pen.lineWidth = 2;
      pen.stroke();
    }
    pen.fillText(p.name, p.x, p.y < 40 ? p.y + 30 : p.y - 20);
  }
}

function disc(x, y, r) {
  pen.beginPath();
  pen.arc(x, y, r, 0, 2 * Math.PI);
  pen.fill();
}

function showPlayers() {
  const best = [...(arena?.players ?? [])].sort((a, b) => b.score - a.score);
  $("players").replaceChildren(...best.map((p) => {
    const li = document.createElement("li");
    li.style.setProperty("--colour", colour(p.id));
    for (const text of [p.id === me?.id ? `${p.name} (you)` : p.name, p.score]) {
      const span = document.createElement("span");
      span.textContent = text; // never HTML: others chose the names
      li.append(span);
    }
    return li;
  }));
}

forgetFigures();
$("name").value = sessionStorage.getItem("name") ?? "";
setInterval(() => {
  if (me) ask("ping", { at: performance.now() });
  showFigures();
  showPlayers();
}, pingEvery);
draw();
connect();
