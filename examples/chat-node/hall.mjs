// Who is in which room. It sends nothing: each method returns the reply for the client that asked and the pushes,
// [{to: [connectionId], message}], for everybody else. The Go backend's hall.go is the same thing.

const maxName = 32; // characters
const maxText = 2000;
const maxRooms = 200; // the list of rooms goes to everybody
const maxInRoom = 200; // each message is pushed once per member

export class Hall {
  #members = new Map(); // connectionId → {connection, name, room}

  join(connection, { room, name }) {
    room = clean(room);
    name = clean(name);
    if (!room || !name) return { reply: refusal("bad-request", "join needs a room and a name of at most 32 characters") };
    const before = this.#members.get(connection);
    if (before?.room === room) {
      const { pushes } = this.rename(connection, { name });
      return { reply: this.#welcome(before), pushes };
    }
    const inRoom = this.#in(room).length;
    if (inRoom >= maxInRoom || (inRoom === 0 && this.#rooms().length >= maxRooms)) return { reply: refusal("full", "no place left") };
    const pushes = this.#remove(connection);
    const member = { connection, room, name: this.#freeName(room, name) };
    this.#members.set(connection, member);
    pushes.push(this.#notice(member, { event: "joined" }), this.#announcement());
    return { reply: this.#welcome(member), pushes };
  }

  leave(connection) {
    const member = this.#members.get(connection);
    if (!member) return { reply: notJoined() };
    const pushes = [...this.#remove(connection), this.#announcement()];
    return { reply: { type: "left", room: member.room, rooms: this.#rooms() }, pushes };
  }

  rename(connection, { name }) {
    const member = this.#members.get(connection);
    if (!member) return { reply: notJoined() };
    name = clean(name);
    if (!name) return { reply: refusal("bad-request", "rename needs a name of at most 32 characters") };
    const was = member.name;
    const pushes = [];
    if (name !== was) {
      member.name = ""; // its own name is free for itself
      member.name = this.#freeName(member.room, name);
      pushes.push(this.#notice(member, { event: "renamed", was }));
    }
    return { reply: { type: "renamed", room: member.room, name: member.name, members: this.#names(member.room) }, pushes };
  }

  rooms() {
    return { reply: { type: "rooms", rooms: this.#rooms() } };
  }

  // The sender gets its own text too, so that all see the same order. The route is one-way: an error is a push.
  send(connection, { text }) {
    const member = this.#members.get(connection);
    if (!member) return { pushes: [{ to: [connection], message: notJoined() }] };
    text = typeof text === "string" ? text.trim() : "";
    if (!text || [...text].length > maxText) {
      return { pushes: [{ to: [connection], message: refusal("bad-request", "a text has 1 to 2000 characters") }] };
    }
    const to = this.#in(member.room).map((m) => m.connection);
    return { pushes: [{ to, message: { type: "message", room: member.room, name: member.name, text, time: now() } }] };
  }

  // Most hear of an end twice, by $disconnect and by a push that finds the connection gone.
  gone(connection) {
    if (!this.#members.has(connection)) return { pushes: [] };
    return { pushes: [...this.#remove(connection), this.#announcement()] };
  }

  #remove(connection) {
    const member = this.#members.get(connection);
    if (!member) return [];
    this.#members.delete(connection);
    return [this.#notice(member, { event: "left" })];
  }

  #notice(member, what) {
    const to = this.#in(member.room).map((m) => m.connection).filter((c) => c !== member.connection);
    const { room, name } = member;
    return { to, message: { type: "notice", room, name, ...what, members: this.#names(room), time: now() } };
  }

  #announcement() {
    return { to: [...this.#members.keys()], message: { type: "rooms", rooms: this.#rooms() } };
  }

  #welcome(member) {
    const { room, name } = member;
    return { type: "joined", room, name, members: this.#names(room), rooms: this.#rooms() };
  }

  #in(room) {
    return [...this.#members.values()].filter((m) => m.room === room);
  }

  #names(room) {
    return this.#in(room).map((m) => m.name).sort();
  }

  #rooms() {
    const sizes = new Map();
    for (const { room } of this.#members.values()) sizes.set(room, (sizes.get(room) ?? 0) + 1);
    return [...sizes].map(([name, members]) => ({ name, members })).sort((a, b) => (a.name < b.name ? -1 : 1));
  }

  #freeName(room, name) {
    const taken = new Set(this.#names(room).map((n) => n.toLowerCase()));
    let free = name;
    for (let n = 2; taken.has(free.toLowerCase()); n++) free = `${name} ${n}`;
    return free;
  }
}

// clean returns a name without white space around it or control characters in it, or "" when it is none or too long.
function clean(s) {
  if (typeof s !== "string") return "";
  s = s.replace(/\p{Cc}/gu, "").trim();
  return [...s].length > maxName ? "" : s;
}

export function refusal(code, text) {
  return { type: "error", code, text };
}

function notJoined() {
  return refusal("not-joined", "join a room first");
}

function now() {
  return new Date().toISOString();
}
