// node-hl7-server's MLLP server on a free port of loopback: accepts everything and prints each message as it read it.
'use strict'
const { Server } = require('node-hl7-server')

const paths = process.argv.slice(2)
const say = (row) => process.stdout.write(JSON.stringify(row) + '\n')
const server = new Server({ bindAddress: '127.0.0.1' })
const inbound = server.createInbound({ port: 0 }, async (request, response) => {
  const message = request.getMessage()
  const row = {}
  for (const path of paths) row[path] = message.get(path).toString()
  say(row)
  await response.sendResponse('AA')
})
inbound.on('listen', () => say({ listening: inbound._socket.address().port }))
inbound.on('data.error', (problem) => say({ problem: problem.message }))
process.stdin.on('end', () => process.exit(0)).resume()
