// What stands between a browser and the daemon: a page of somebody's own site, and a line that can be cut.
import { createServer } from 'node:http'
import { connect, createServer as createTcpServer } from 'node:net'

const listening = (server) => new Promise((resolve) => server.listen(0, '127.0.0.1', () => resolve(server.address().port)))

/** A site of a customer, on an origin of its own. `page` and `headers` may be changed at any time. */
export class HostSite {
  static async start() {
    const site = new HostSite()
    site.page = ''
    site.style = ''
    site.headers = {}
    site.reports = []
    site.server = createServer((request, response) => {
      if (request.method === 'POST') {
        let body = ''
        request.on('data', (chunk) => (body += chunk)).on('end', () => {
          site.reports.push(body)
          response.writeHead(204).end()
        })
      } else if (request.url === '/site.css') {
        response.writeHead(200, { 'Content-Type': 'text/css' }).end(site.style)
      } else if (request.url === '/') {
        response.writeHead(200, { 'Content-Type': 'text/html; charset=utf-8', ...site.headers }).end(site.page)
      } else {
        response.writeHead(404).end()
      }
    })
    site.url = `http://127.0.0.1:${await listening(site.server)}`
    return site
  }

  /** A page that shows the widget by the given line of HTML. */
  show(snippet, { before = '' } = {}) {
    this.page = `<!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>Corner shop</title>${before}<link rel="stylesheet" href="/site.css"></head>
<body><h1>Corner shop</h1><p>Bread, milk, stamps.</p><div class="long"></div>${snippet}</body></html>`
  }

  stop() {
    this.server.closeAllConnections()
    return new Promise((resolve) => this.server.close(resolve))
  }
}

/** A TCP relay in front of the daemon. cut() resets every connection and refuses new ones until restore(). */
export class Line {
  #sockets = new Set()
  #isCut = false

  static async to(port) {
    const line = new Line()
    line.server = createTcpServer((near) => {
      if (line.#isCut) return void near.resetAndDestroy()
      const far = connect(port, '127.0.0.1')
      for (const socket of [near, far]) {
        line.#sockets.add(socket)
        socket.on('close', () => line.#sockets.delete(socket))
        socket.on('error', () => undefined)
      }
      near.pipe(far)
      far.pipe(near)
      near.on('close', () => far.destroy())
      far.on('close', () => near.destroy())
    })
    line.url = `http://127.0.0.1:${await listening(line.server)}`
    return line
  }

  cut() {
    this.#isCut = true
    for (const socket of this.#sockets) socket.resetAndDestroy()
  }

  restore() {
    this.#isCut = false
  }

  stop() {
    this.cut()
    return new Promise((resolve) => this.server.close(resolve))
  }
}
