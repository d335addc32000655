// An SMSC for the tests of SMPP. The number written to says how it answers:
//   000<status>  that command_status (decimal);   111  never;   222  the connection ends
//   333          throttled once for each part after the first;   444  parts after the first are refused
//   anything else  an id, and a report when it is asked for
//   ...9         the report says UNDELIV
// A line of JSON on stdin is a deliver_sm to send, or {"drop": true}; what happens is a line of JSON on stdout.
import { createInterface } from 'node:readline';
import smpp from 'smpp';

const say = (what) => process.stdout.write(JSON.stringify(what) + '\n');
const sessions = new Set();
const throttled = new Set();
let next = 0;

function report(session, pdu, id) {
  const state = pdu.destination_addr.endsWith('9') ? 'UNDELIV' : 'DELIVRD';
  const text = `id:${id} sub:001 dlvrd:001 submit date:2611180800 done date:2611180801 stat:${state} err:005 text:x`;
  deliver(session, {
    source_addr: pdu.destination_addr, source_addr_ton: 1, source_addr_npi: 1,
    destination_addr: pdu.source_addr, esm_class: 4, short_message: text,
  });
}

function deliver(session, values) {
  session.deliver_sm(values, (response) => say({ delivered: response.command_status }));
}

function submitted(session, pdu) {
  const to = pdu.destination_addr;
  const message = pdu.message_payload ?? pdu.short_message;
  const udh = message.udh ? Buffer.concat(message.udh.map((ie) => Buffer.from(ie))).toString('hex') : '';
  say({ submitted: { to, from: pdu.source_addr, from_ton: pdu.source_addr_ton, to_ton: pdu.dest_addr_ton, udh,
    text: message.message, coding: pdu.data_coding, esm: pdu.esm_class, report: pdu.registered_delivery,
    is_payload: pdu.message_payload !== undefined, validity: String(pdu.validity_period ?? '') } });
  if (to.startsWith('000')) return session.send(pdu.response({ command_status: Number(to.slice(3)) }));
  if (to.startsWith('111')) return undefined;
  if (to.startsWith('222')) return session.destroy();
  if (to.startsWith('333') && udh && !udh.endsWith('01') && !throttled.has(udh)) {
    throttled.add(udh);
    return session.send(pdu.response({ command_status: smpp.ESME_RTHROTTLED }));
  }
  if (to.startsWith('444') && udh && !udh.endsWith('01')) {
    return session.send(pdu.response({ command_status: smpp.ESME_RX_R_APPN }));
  }
  const id = `m${++next}`;
  session.send(pdu.response({ message_id: id }));
  if (pdu.registered_delivery) report(session, pdu, id);
  return undefined;
}

const server = smpp.createServer({}, (session) => {
  session.on('error', () => {});
  session.on('close', () => { if (sessions.delete(session)) say({ closed: true }); });
  session.on('bind_transceiver', (pdu) => {
    if (pdu.password !== 'secret') {
      session.send(pdu.response({ command_status: smpp.ESME_RINVPASWD }));
      return;
    }
    session.send(pdu.response({ system_id: 'smsc' }));
    sessions.add(session);
    say({ bound: pdu.system_id, type: pdu.system_type });
  });
  session.on('submit_sm', (pdu) => submitted(session, pdu));
  session.on('enquire_link', (pdu) => { session.send(pdu.response()); say({ enquired: true }); });
  session.on('unbind', (pdu) => { session.send(pdu.response()); say({ unbound: true }); });
});

createInterface({ input: process.stdin }).on('line', (line) => {
  const wanted = JSON.parse(line);
  for (const session of sessions) {
    if (wanted.drop) session.destroy();
    else if (wanted.enquire) session.enquire_link((response) => say({ alive: response.command_status }));
    else {
      if (wanted.udh) wanted.short_message = { udh: Buffer.from(wanted.udh, 'hex'), message: wanted.short_message };
      delete wanted.udh;
      deliver(session, wanted);
    }
  }
}).on('close', () => process.exit(0));

server.listen(0, '127.0.0.1', () => say({ port: server.address().port }));
