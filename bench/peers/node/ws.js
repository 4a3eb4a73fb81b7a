// A relay made with ws: nothing but what the job needs. usage: node ws.js PORT
//
// The address is the path; {"to":ADDRESS,"n":N,"text":…} goes to everybody there as it came, the sender gets {"ack":N}.
// Compression is off (ws's own advice for throughput) and bufferutil is installed, which ws then uses by itself.
'use strict';
const { WebSocketServer } = require('ws');

const at = new Map(); // address → sockets

new WebSocketServer({ host: '127.0.0.1', port: Number(process.argv[2]), perMessageDeflate: false, clientTracking: false, backlog: 4096 }).on('connection', (socket, request) => {
  const address = Number(request.url.slice(1));
  const here = at.get(address);
  if (here) here.add(socket);
  else at.set(address, new Set([socket]));
  socket.on('message', (data) => {
    const text = data.toString();
    const message = JSON.parse(text);
    for (const receiver of at.get(message.to) ?? []) receiver.send(text);
    socket.send(`{"ack":${message.n}}`);
  });
  socket.on('close', () => {
    const rest = at.get(address);
    rest.delete(socket);
    if (rest.size === 0) at.delete(address);
  });
  socket.on('error', () => socket.terminate());
});
