// A relay made with Socket.IO 4 as its pages advise for load: WebSocket only, no compression, bufferutil, and the first HTTP
// request let go (https://socket.io/docs/v4/performance-tuning/, https://socket.io/docs/v4/memory-usage/).
// usage: node socketio.js PORT TOKEN
//
// A client signs in with the token and its address, which is its room; send(to, n, text) is emitted to that room and
// acknowledged to the sender.
'use strict';
const { createServer } = require('http');
const { Server } = require('socket.io');

const [port, token] = process.argv.slice(2);
const http = createServer();
const io = new Server(http, { transports: ['websocket'], perMessageDeflate: false, httpCompression: false, serveClient: false });
io.engine.on('connection', (raw) => {
  raw.request = null;
});
io.use((socket, next) => {
  next(socket.handshake.auth.token === token ? undefined : new Error('unauthenticated'));
});
io.on('connection', (socket) => {
  socket.join(socket.handshake.auth.address);
  socket.on('send', (to, n, text, acknowledge) => {
    io.to(to).emit('message', n, text);
    acknowledge();
  });
});
http.listen({ port: Number(port), host: '127.0.0.1', backlog: 4096 });
