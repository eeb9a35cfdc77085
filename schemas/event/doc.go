// Package event is the shape of what travels beside a message on NATS: the JSON object of the Sallyport-Context header,
// and the Record in which one event's outcome is shown.
//
// The edge writes contexts, by appending bytes that were prepared before (AppendConnection at connect, AppendRoute when a
// deployment is compiled) to those of the single event (AppendMessage): nothing on a message's way is encoded by
// reflection. Workers and foreign backends read them with Parse. Package proxy makes Amazon's proxy events of them.
//
// One path through it: a socket keeps AppendConnection's bytes; a message arrives, and the edge joins them with the chosen
// route's bytes and AppendMessage into one object such as testdata/message.json, which context.schema.json describes.
package event
