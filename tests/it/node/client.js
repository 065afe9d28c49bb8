/*
 * client.js - Azure's device SDK for Node, driven by lines of JSON.
 *
 *     node client.js mqtt|mqtt-ws CONNECTION_STRING CA_FILE [CERT_FILE KEY_FILE]
 *
 * A line of stdin is a command, {"id":1,"do":"send","body":"..",...}; a line of stdout its answer, {"id":1,"ok":..} or
 * {"id":1,"error":".."}, or what happened: {"event":"message",...}. The client is used as its documentation says.
 */
'use strict';

const fs = require('fs');
const path = require('path');
const readline = require('readline');
const from = (name) => require(require.resolve(name, { paths: [process.env.NODE_MODULES || path.join(__dirname, '../../../build/node')] }));
const { Client, ModuleClient, Message } = from('azure-iot-device');
const { Mqtt, MqttWs } = from('azure-iot-device-mqtt');

const [transport, connectionString, caFile, certFile, keyFile] = process.argv.slice(2);
const isModule = /;ModuleId=/.test(connectionString);
const client = (isModule ? ModuleClient : Client).fromConnectionString(connectionString, transport === 'mqtt-ws' ? MqttWs : Mqtt);
let twin = null;

const say = (what) => process.stdout.write(JSON.stringify(what) + '\n');
const told = (name, call) => new Promise((resolve, reject) => call((error, result) => (error ? reject(error) : resolve(result))));

function properties(message) {
  const out = {};
  for (let i = 0; i < message.properties.count(); i++) {
    const item = message.properties.getItem(i);
    out[item.key] = item.value;
  }
  return out;
}

function makeMessage(c) {
  const message = new Message(Buffer.from(c.body, 'base64'));
  if (c.contentType) message.contentType = c.contentType;
  if (c.contentEncoding) message.contentEncoding = c.contentEncoding;
  if (c.messageId) message.messageId = c.messageId;
  if (c.correlationId) message.correlationId = c.correlationId;
  for (const [key, value] of Object.entries(c.properties || {})) message.properties.add(key, value);
  return message;
}

const commands = {
  async open(c) {
    const options = { ca: fs.readFileSync(caFile, 'utf8') };
    if (certFile) {
      options.cert = fs.readFileSync(certFile, 'utf8');
      options.key = fs.readFileSync(keyFile, 'utf8');
    }
    if (c.renewal) options.tokenRenewal = c.renewal;
    await client.setOptions(options);
    await client.open();
  },
  close: () => client.close(),
  send: (c) => client.sendEvent(makeMessage(c)),
  sendOutput: (c) => client.sendOutputEvent(c.output, makeMessage(c)),
  async takeMessages() {
    client.on(isModule ? 'inputMessage' : 'message', (...args) => {
      const message = args[args.length - 1];
      say({ event: 'message', input: isModule ? args[0] : null, body: message.data.toString('base64'), messageId: message.messageId,
        contentType: message.contentType, properties: properties(message) });
      client.complete(message, () => {});
    });
  },
  async takeMethod(c) {
    const take = isModule ? client.onMethod : client.onDeviceMethod;
    take.call(client, c.name, (request, response) => {
      say({ event: 'method', name: request.methodName, payload: request.payload });
      response.send(c.status, c.answer, () => {});
    });
  },
  async twin() {
    twin = await client.getTwin();
    twin.on('properties.desired', (patch) => say({ event: 'desired', patch }));
    return { desired: twin.properties.desired, reported: JSON.parse(JSON.stringify(twin.properties.reported)) };
  },
  report: (c) => told('report', (done) => twin.properties.reported.update(c.patch, done)),
};

client.on('disconnect', (error) => say({ event: 'disconnect', error: String(error && error.message) }));
client.on('error', (error) => say({ event: 'error', error: String(error && error.message) }));

readline.createInterface({ input: process.stdin }).on('line', async (line) => {
  const c = JSON.parse(line);
  try {
    const result = await commands[c.do](c);
    say({ id: c.id, ok: result && c.do === 'twin' ? result : null });
  } catch (error) {
    say({ id: c.id, error: `${error.name}: ${error.message}` });
  }
}).on('close', () => process.exit(0));
