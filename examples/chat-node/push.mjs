// Pushes to clients by the @connections API, with the AWS SDK as it is: only the endpoint says that it is Sallyport.

import {
  ApiGatewayManagementApiClient,
  GoneException,
  PostToConnectionCommand,
} from "@aws-sdk/client-apigatewaymanagementapi";

const mostWaiting = 256; // pushes that may wait for one client; further ones are dropped, since it reads too slowly

export class Pusher {
  #client;
  #gone;
  #last = new Map(); // connectionId → {tail: promise of its last push, waiting: how many}

  // gone(connectionId) is called when a push finds that the connection is no more.
  constructor({ endpoint, gone }) {
    this.#gone = gone;
    this.#client = new ApiGatewayManagementApiClient({
      endpoint,
      region: process.env.AWS_REGION ?? "us-east-1",
      credentials: {
        accessKeyId: process.env.AWS_ACCESS_KEY_ID ?? "local",
        secretAccessKey: process.env.AWS_SECRET_ACCESS_KEY ?? "local",
      },
    });
  }

  // push sends after the pushes before it have arrived, so that each client gets them in order.
  push(connection, message) {
    const queue = this.#last.get(connection) ?? { tail: Promise.resolve(), waiting: 0 };
    if (queue.waiting >= mostWaiting) return;
    queue.waiting++;
    queue.tail = queue.tail.then(() => this.#post(connection, message)).then(() => {
      if (--queue.waiting === 0) this.#last.delete(connection);
    });
    this.#last.set(connection, queue);
  }

  async #post(connection, message) {
    try {
      await this.#client.send(new PostToConnectionCommand({ ConnectionId: connection, Data: JSON.stringify(message) }));
    } catch (error) {
      if (error instanceof GoneException) this.#gone(connection);
      else console.error(`push to ${connection}: ${error.name}: ${error.message}`);
    }
  }

  close() {
    this.#client.destroy();
  }
}
