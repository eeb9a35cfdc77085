// The chat's page: one WebSocket, an action per thing that a person does, a message type per thing that is shown.

const $ = (id) => document.getElementById(id);
const address = `${location.protocol === "https:" ? "wss" : "ws"}://${location.host}/chat/dev`;

const firstWait = 500; // ms before the first try to connect again; doubled each time
const longestWait = 15_000;
const mostLines = 500; // what the log keeps

let socket;
let wait = firstWait;
let wanted; // {room, name} that the person asked for, so that a new connection can join again
let here; // {room, name} as the backend knows us, or undefined

// --- connection ---------------------------------------------------------------------------------------------------

function connect() {
  status("connecting", "connecting …");
  socket = new WebSocket(address);
  socket.onopen = () => {
    wait = firstWait;
    status("open", "connected");
    if (wanted) ask("join", wanted);
    else ask("rooms");
  };
  socket.onmessage = (event) => receive(JSON.parse(event.data));
  socket.onclose = again; // a failed try ends here too
}

function again() {
  if (here) line("notice", "Connection lost.");
  here = undefined;
  showPlace();
  showMembers([]);
  // Chance spreads clients that all lost the same gateway.
  const pause = wait / 2 + Math.random() * (wait / 2);
  wait = Math.min(wait * 2, longestWait);
  status("waiting", `disconnected, next try in ${Math.max(1, Math.round(pause / 1000))} s`);
  setTimeout(connect, pause);
}

function ask(action, fields = {}) {
  if (socket.readyState === WebSocket.OPEN) socket.send(JSON.stringify({ action, ...fields }));
}

// --- what arrives -------------------------------------------------------------------------------------------------

const shown = {
  joined(m) {
    const moved = here?.room !== m.room;
    here = { room: m.room, name: m.name };
    if (moved) line("notice", `You joined ${m.room} as ${m.name}.`);
    history.replaceState(null, "", "#" + encodeURIComponent(m.room));
    showPlace();
    showMembers(m.members);
    showRooms(m.rooms);
    $("text").focus();
  },
  left(m) {
    here = undefined;
    line("notice", `You left ${m.room}.`);
    showPlace();
    showMembers([]);
    showRooms(m.rooms);
  },
  renamed(m) {
    here = { room: m.room, name: m.name };
    wanted = { ...here };
    line("notice", `You are ${m.name} now.`);
    showPlace();
    showMembers(m.members);
  },
  notice(m) {
    const what = { joined: `${m.name} joined.`, left: `${m.name} left.`, renamed: `${m.was} is ${m.name} now.` };
    line("notice", what[m.event] ?? `${m.name}: ${m.event}`);
    showMembers(m.members);
  },
  message(m) {
    line("text", m.text, m);
  },
  rooms(m) {
    showRooms(m.rooms);
  },
  error(m) {
    // A backend that was started anew knows nobody: join again instead of troubling the person.
    if (m.code === "not-joined" && wanted) ask("join", wanted);
    line("error", m.code === "not-joined" && wanted ? "Joined again; please send that once more." : m.text);
  },
};

function receive(m) {
  if (m.type in shown) shown[m.type](m);
  else line("error", m.message ?? "The gateway sent something that this page does not know."); // an error frame of the gateway
}

// --- what a person does -------------------------------------------------------------------------------------------

$("join").addEventListener("submit", (event) => {
  event.preventDefault();
  const next = { room: $("room").value.trim(), name: $("name").value.trim() };
  if (!next.room || !next.name) return;
  wanted = next;
  sessionStorage.setItem("name", next.name);
  if (here?.room === next.room) ask("rename", { name: next.name });
  else ask("join", next);
});

$("leave").addEventListener("click", () => {
  wanted = undefined;
  ask("leave");
});

$("say").addEventListener("submit", (event) => {
  event.preventDefault();
  const text = $("text").value.trim();
  if (!text || !here) return;
  ask("send", { text });
  $("text").value = "";
});

// --- what is shown ------------------------------------------------------------------------------------------------

function status(state, text) {
  $("status").dataset.state = state;
  $("status").textContent = text;
}

function line(kind, text, { name, time } = {}) {
  const log = $("log");
  const atEnd = log.scrollHeight - log.scrollTop - log.clientHeight < 40;
  const li = element("li", { className: kind });
  if (name) {
    if (name === here?.name) li.classList.add("mine");
    li.append(element("b", { textContent: name }));
  }
  li.append(element("span", { textContent: text })); // never HTML: others wrote it
  if (time) {
    const clock = new Date(time).toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" });
    li.append(element("time", { dateTime: time, textContent: clock }));
  }
  log.append(li);
  while (log.children.length > mostLines) log.firstChild.remove();
  if (atEnd) log.scrollTop = log.scrollHeight;
}

function showPlace() {
  $("talk-title").textContent = here ? here.room : "No room";
  $("enter").textContent = here ? "Change" : "Join";
  $("leave").hidden = !here;
  $("text").disabled = $("send").disabled = !here;
  $("text").placeholder = here ? `Message to ${here.room}` : "Join a room to write";
  document.title = here ? `${here.room} · Sallyport chat` : "Sallyport chat";
}

function showMembers(names = []) {
  const items = names.map((n) => element("li", { textContent: n === here?.name ? `${n} (you)` : n }));
  $("members").replaceChildren(...(items.length ? items : [none("join a room first")]));
}

function showRooms(rooms = []) {
  const items = rooms.map(({ name, members }) => {
    const button = element("button", { type: "button" });
    button.append(name, element("span", { textContent: members, ariaLabel: `${members} here` }));
    if (name === here?.room) button.setAttribute("aria-current", "true");
    button.addEventListener("click", () => {
      $("room").value = name;
      if ($("name").value.trim()) $("join").requestSubmit();
      else $("name").focus();
    });
    const li = element("li");
    li.append(button);
    return li;
  });
  $("rooms").replaceChildren(...(items.length ? items : [none("none yet")]));
}

function roomOfAddress() {
  try {
    return decodeURIComponent(location.hash.slice(1));
  } catch {
    return ""; // somebody typed a stray % sign
  }
}

function none(text) {
  return element("li", { className: "none", textContent: text });
}

function element(tag, properties = {}) {
  return Object.assign(document.createElement(tag), properties);
}

$("name").value = sessionStorage.getItem("name") ?? "";
$("room").value = roomOfAddress() || "lobby";
connect();
