// Uses npm's `openwhisk` as its documentation has it, on an action of each kind.
'use strict'
const assert = require('assert')
const fs = require('fs')
const openwhisk = require('openwhisk')

const ow = openwhisk()
const actions = JSON.parse(process.env.KILN_TEST_ACTIONS)

const pause = ms => new Promise(resolve => setTimeout(resolve, ms))

async function refused (status, text, promise) {
  const error = await promise.then(() => null, error => error)
  assert(error, `expected ${status}`)
  assert.strictEqual(error.statusCode, status, error.message)
  assert(error.message.includes(text), error.message)
  return error
}

// A record, once it is there.
async function recorded (id) {
  for (let tries = 0; tries < 3000; tries++) {
    try {
      return await ow.activations.get(id)
    } catch (error) {
      assert.strictEqual(error.statusCode, 404, error.message)
      await pause(10)
    }
  }
  throw new Error(`no record of ${id}`)
}

async function action ({ label, kind, file, action, exec, annotations, logs }) {
  const name = `of-${label}`
  const declared = { name, annotations, params: { from: 'action', own: 1 } }
  if (file) Object.assign(declared, { action: fs.readFileSync(file), kind })
  else if (action) Object.assign(declared, { action }, kind && { kind })
  else Object.assign(declared, { action: '', exec })

  const created = await ow.actions.create(declared)
  assert.strictEqual(created.version, '0.0.1')
  assert.strictEqual(created.namespace, 'guest')
  await refused(409, 'resource already exists', ow.actions.create(declared))
  const updated = await ow.actions.update({ ...declared, limits: { timeout: 10000 } })
  assert.strictEqual(updated.version, '0.0.2')
  assert.strictEqual(updated.limits.timeout, 10000)
  const listed = await ow.actions.list({ limit: 200 })
  assert(listed.some(row => row.name === name && row.version === '0.0.2'))
  const shown = await ow.actions.get({ name })
  assert.strictEqual(shown.exec.kind, updated.exec.kind)
  if (file) assert.strictEqual(shown.exec.code, fs.readFileSync(file).toString('base64'))
  assert.strictEqual((await ow.actions.get({ name, code: false })).exec.code, undefined)

  const params = { from: 'call', text: 'é\n"', list: [1, 0.1, null], nested: { a: true } }
  const expected = { own: 1, ...params }
  const activation = await ow.actions.invoke({ name, blocking: true, params })
  assert.deepStrictEqual(activation.response.result, expected)
  assert.strictEqual(activation.response.success, true)
  assert.deepStrictEqual(await ow.actions.invoke({ name, blocking: true, result: true, params }), expected)

  const accepted = await ow.actions.invoke({ name, params })
  assert.match(accepted.activationId, /^[0-9a-f]{32}$/)
  const record = await recorded(accepted.activationId)
  assert.deepStrictEqual(record.response.result, expected)
  assert.strictEqual(record.name, name)
  assert.strictEqual(record.annotations.find(pair => pair.key === 'kind').value, updated.exec.kind)
  const result = await ow.activations.result(accepted.activationId)
  assert.deepStrictEqual(result.result, expected)
  const log = (await ow.activations.logs(accepted.activationId)).logs
  assert(Array.isArray(log))
  if (logs) assert(log.some(line => line.endsWith(`: ${logs}`)), JSON.stringify(log))
  const rows = await ow.activations.list({ name, limit: 2, since: record.start })
  assert(rows.some(row => row.activationId === accepted.activationId && row.statusCode === 0))

  const failed = await refused(502, 'mine', ow.actions.invoke({ name, blocking: true, params: { error: 'mine' } }))
  assert.strictEqual(failed.error.response.status, 'application error')
  const deleted = await ow.actions.delete({ name })
  assert.strictEqual(deleted.name, name)
  await refused(404, 'does not exist', ow.actions.get({ name }))
  await refused(404, 'does not exist', ow.actions.invoke({ name, blocking: true }))
  console.log(`${label} actions work`)
}

async function errors () {
  await refused(400, 'is not supported by this platform', ow.actions.create({ name: 'x', kind: 'cobol:1', action: 'x' }))
  await refused(400, 'Sequence component does not exist', ow.actions.create({ name: 'x', sequence: ['/_/a'] }))
  await refused(400, 'Activation id length', ow.activations.get('abc'))
  await refused(404, 'does not exist', ow.activations.get('0'.repeat(32)))
  await refused(404, 'does not exist', ow.triggers.get({ name: 'x' }))
  const stranger = openwhisk({ api_key: 'some:body-elses-key' })
  await refused(401, 'authentication is invalid', stranger.actions.list())
  await refused(403, 'not authorized', ow.actions.get({ name: '/other/x' }))
}

async function js () {
  const code = `
    function main ({ how }) {
      if (how === 'throw') throw new Error('thrown')
      if (how === 'loop') for (;;) {}
      if (how === 'text') return 'text'
      return new Promise((resolve, reject) => how === 'reject' ? reject(new Error('rejected')) : resolve({ how }))
    }`
  await ow.actions.create({ name: 'how', action: code, limits: { timeout: 500 } })
  const invoke = how => ow.actions.invoke({ name: 'how', blocking: true, params: { how } })
  assert.deepStrictEqual((await invoke('fine')).response.result, { how: 'fine' })
  for (const [how, text] of [['throw', 'thrown'], ['reject', 'rejected'], ['loop', 'exceeded its time limits of 500 milliseconds'], ['text', '']]) {
    const failed = await refused(502, text, invoke(how))
    assert.strictEqual(failed.error.response.status, 'action developer error', how)
  }
  await ow.actions.create({ name: 'broken', action: 'function main() {' })
  const broken = await refused(502, 'broken.js', ow.actions.invoke({ name: 'broken', blocking: true }))
  assert.strictEqual(broken.error.response.status, 'action developer error')
  await ow.actions.delete('how')
  await ow.actions.delete('broken')
}

async function packages () {
  await ow.packages.create({ name: 'tools', package: { parameters: [{ key: 'from', value: 'package' }] } })
  const { label, kind, file } = actions[0]
  await ow.actions.create({ name: 'tools/echo', action: fs.readFileSync(file), kind })
  const called = await ow.actions.invoke({ name: 'tools/echo', blocking: true, result: true, params: { label } })
  assert.deepStrictEqual(called, { from: 'package', label })
  assert.strictEqual((await ow.packages.get('tools')).actions[0].name, 'echo')
  assert.strictEqual((await ow.packages.list())[0].name, 'tools')
  await refused(409, 'Package not empty', ow.packages.delete('tools'))
  await ow.actions.delete('tools/echo')
  await ow.packages.delete('tools')
  await refused(404, 'does not exist', ow.packages.get('tools'))
}

async function sequences () {
  const { kind, file } = actions[0]
  const last = { key: 'own', value: 'last' }
  await ow.actions.create({ name: 'first', action: fs.readFileSync(file), kind })
  await ow.actions.create({ name: 'last', action: { exec: { kind, code: fs.readFileSync(file).toString('base64') }, parameters: [last] } })
  await ow.actions.create({ name: 'both', sequence: ['/_/first', '/_/last'] })
  const called = await ow.actions.invoke({ name: 'both', blocking: true, params: { a: 1 } })
  assert.deepStrictEqual(called.response.result, { a: 1, own: 'last' })
  assert.strictEqual((await ow.activations.logs(called.activationId)).logs.length, 2)

  await ow.triggers.create({ name: 'tick' })
  const rule = await ow.rules.create({ name: 'tie', trigger: 'tick', action: 'both' })
  assert.deepStrictEqual([rule.status, rule.action], ['active', { path: 'guest', name: 'both' }])
  const fired = await ow.triggers.invoke({ name: 'tick', params: { b: 2 } })
  const { logs } = await ow.activations.logs(fired.activationId)
  const ran = await recorded(JSON.parse(logs[0]).activationId)
  assert.strictEqual(ran.response.result.b, 2)
  await ow.rules.disable({ name: 'tie' })
  assert.strictEqual((await ow.rules.get({ name: 'tie' })).status, 'inactive')
  await ow.rules.delete({ name: 'tie' })
  await ow.triggers.delete({ name: 'tick' })
  for (const name of ['both', 'first', 'last']) await ow.actions.delete(name)
}

async function main () {
  assert.deepStrictEqual(await ow.namespaces.list(), ['guest'])
  const all = await ow.namespaces.get('guest')
  assert.deepStrictEqual(all, { actions: [], packages: [], triggers: [], rules: [] })
  for (const one of actions) await action(one)
  if (actions.some(({ label }) => label === 'js')) await js()
  await packages()
  await sequences()
  await errors()
  console.log('all of it works')
}

main().catch(error => {
  console.error(error)
  process.exitCode = 1
})
