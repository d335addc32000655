// Sends COUNT track events with the unmodified client and prints what became of them, as one line of JSON.
import { Analytics } from '@segment/analytics-node'

const count = Number(process.env.COUNT)
const analytics = new Analytics({
  writeKey: process.env.WRITE_KEY,
  host: process.env.HOST,
  maxEventsInBatch: 15,
  flushInterval: 1000,
})
const errors = []
let answered = 0
analytics.on('error', (error) => errors.push(String(error.reason ?? error.code ?? error)))
for (let n = 0; n < count; n++) {
  analytics.track(
    { userId: `node-${n % 50}`, event: 'Bet Placed', messageId: `node-${n}`, properties: { amount: n } },
    (error) => {
      if (error) errors.push(String(error))
      else answered++
    }
  )
  if (n % 500 === 499) await new Promise((resolve) => setImmediate(resolve))
}
await analytics.closeAndFlush({ timeout: 240000 })
console.log(JSON.stringify({ answered, errors: errors.slice(0, 5), failed: errors.length }))
