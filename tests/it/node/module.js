/*
 * module.js - Azure's module client for Node, made from the environment of an IoT Edge module: sends three messages to
 * an output, waits for a change of the twin's desired property "colour", prints it, ends.
 */
'use strict';

const path = require('path');
const from = (name) => require(require.resolve(name, { paths: [process.env.NODE_MODULES || path.join(__dirname, '../../../build/node')] }));
const { ModuleClient, Message } = from('azure-iot-device');
const { Mqtt } = from('azure-iot-device-mqtt');

async function main() {
  const client = await ModuleClient.fromEnvironment(Mqtt);
  await client.open();
  for (let i = 0; i < 3; i++) {
    const message = new Message(JSON.stringify({ prediction: 'ok', confidence: 0.25, inferenceLatencyMs: i, modelVersion: 'node' }));
    message.contentType = 'application/json';
    message.contentEncoding = 'utf-8';
    await client.sendOutputEvent('metrics', message);
  }
  const twin = await client.getTwin();
  const colour = await new Promise((resolve) => {
    twin.on('properties.desired', (delta) => { if (delta.colour) resolve(delta.colour); });
    process.stdout.write('waiting\n');
  });
  process.stdout.write(`colour ${colour}\n`);
  await client.close();
}

main().then(() => process.exit(0), (error) => {
  process.stderr.write(`${error && error.stack}\n`);
  process.exit(1);
});
