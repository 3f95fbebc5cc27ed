// client HOST DATABASE: TypeORM over node-postgres: save(), upsert(), and its schema builder.
import 'reflect-metadata'
import assert from 'node:assert/strict'
import typeorm from 'typeorm'

const { DataSource, EntitySchema } = typeorm
const [host, database] = process.argv.slice(2)

const Product = new EntitySchema({ name: 'Product', tableName: 'products', synchronize: false, columns: {
	id: { type: 'bigint', primary: true }, title: { type: 'text' }, department: { type: 'text' }, price: { type: 'numeric' } } })
const Order = new EntitySchema({ name: 'Order', tableName: 'orders', synchronize: false, columns: {
	id: { type: 'bigint', primary: true, generated: 'increment' }, customer_id: { type: 'text' }, product_id: { type: 'bigint' } } })
// what docs/clients.md says: synchronize false, and the key given or made by the database
const Event = new EntitySchema({ name: 'Event', tableName: 'inbox', schema: 'personalize', synchronize: false, columns: {
	message_id: { type: 'text', primary: true, default: () => 'personalize_internal._new_message_id()' },
	user_id: { type: 'text' }, event: { type: 'text' }, item_id: { type: 'text', nullable: true },
	properties: { type: 'jsonb', nullable: true }, session_id: { type: 'text', nullable: true } } })
// one table of its own, which the schema builder makes
const Visit = new EntitySchema({ name: 'Visit', tableName: 'typeorm_visit', columns: {
	id: { type: 'int', primary: true, generated: true }, page: { type: 'text' } } })

const db = new DataSource({ type: 'postgres', host, database, username: 'orm_shop', entities: [Product, Order, Event, Visit] })
const all = (sql, values) => db.query(sql, values)

const steps = {
	'connects as a role that was granted what the documents say': async () => {
		assert.equal((await all('SELECT current_user AS role'))[0].role, 'orm_shop')
	},
	'tracks': async () => {
		assert.equal((await all('SELECT personalize.track($1, $2, $3, $4, ts => $5)', ['17', 'view_item', '2', { a: 1 }, new Date().toISOString()]))[0].track, 'accepted')
		assert.equal((await all('SELECT personalize.track($1, $2, $3)', [17, 'view_item', 2]))[0].track, 'accepted')
	},
	'inserts many events and has their ids back': async () => {
		const events = db.getRepository(Event)
		const inserted = await events.insert([1, 2, 3, 4, 5].map((i) => ({ user_id: '17', event: 'view_item', item_id: String(i), properties: { n: i } })))
		assert.equal(new Set(inserted.identifiers.map((row) => row.message_id)).size, 5)
		assert.ok(inserted.identifiers[0].message_id)
		const saved = await events.save({ message_id: 'typeorm saved', user_id: '17', event: 'view_item', item_id: '1' })
		assert.equal(saved.message_id, 'typeorm saved')
		await events.upsert({ message_id: 'typeorm saved', user_id: '17', event: 'view_item', item_id: '2' }, ['message_id'])
		await events.createQueryBuilder().insert().values({ message_id: 'typeorm saved', user_id: '17', event: 'view_item' }).orIgnore().execute()
		assert.equal(await events.findOneBy({ message_id: 'typeorm saved' }), null)
		assert.equal((await events.update({ message_id: 'typeorm saved' }, { item_id: '3' })).affected, 0)
	},
	'records consent': async () => {
		await all('SELECT personalize.grant_consent($1, $2, $3)', ['orm', ['analytics', 'personalization'], null])
		const rows = await all('SELECT purpose, allowed FROM personalize.consent_of($1)', ['orm'])
		assert.equal(rows.find((row) => row.purpose === 'analytics').allowed, true)
	},
	'reads recommendations joined to products, as objects': async () => {
		const products = await db.getRepository(Product).createQueryBuilder('p')
			.innerJoin('(SELECT * FROM personalize.recommend(:user, 3))', 'r', 'r.item_key = p.id AND r.item_id <> :user', { user: '17' })
			.orderBy('r.rank').getMany()
		assert.equal(products.length, 3)
		assert.ok(products.every((product) => product.title))
	},
	'reads features': async () => {
		const rows = await all("SELECT value FROM personalize.features($1, purpose => 'personalization') WHERE signal = 'item_affinity'", ['17'])
		assert.ok(rows.length > 0)
	},
	'rolls an order and its events back together': async () => {
		await assert.rejects(db.transaction(async (manager) => {
			await manager.insert(Order, { customer_id: '17', product_id: '1' })
			await manager.insert(Event, { message_id: 'typeorm rolled back', user_id: '17', event: 'purchase', item_id: '1' })
			throw new Error('the payment failed')
		}), /the payment failed/)
		assert.equal(await db.getRepository(Order).count(), 0)
		assert.equal((await all("SELECT personalize.track('17', 'purchase', '1', message_id => 'typeorm rolled back')"))[0].track, 'accepted')
	},
	'is told what is wrong with an event': async () => {
		const bad = [{ user_id: '17', event: 'view_item' }, { user_id: '17', event: '' }]
		await assert.rejects(db.transaction(async (manager) => {
			await manager.query('SET LOCAL personalize.on_bad_row = error')
			await manager.insert(Event, bad)
		}), (error) => /row 2: event must not be empty/.test(error.message) && error.driverError.column === 'event')
		await db.transaction(async (manager) => {
			await manager.insert(Event, bad)
			assert.deepEqual(await manager.query('SELECT row_number::int, reason FROM personalize.rejections()'),
				[{ row_number: 2, reason: 'event must not be empty' }])
		})
	},
	'has its migration tool leave everything alone': async () => {
		const wanted = (await db.driver.createSchemaBuilder().log()).upQueries.map((query) => query.query)
		assert.ok(wanted.some((query) => query.includes('typeorm_visit')))
		assert.deepEqual(wanted.filter((query) => /personalize/.test(query)), [])
		await db.synchronize()
		assert.deepEqual(await all('SELECT object FROM public.orm_lost'), [])
	},
}

await db.initialize()
console.log(`1..${Object.keys(steps).length}`)
let number = 0, failed = 0
for (const [name, step] of Object.entries(steps)) {
	number++
	try {
		await step()
		console.log(`ok ${number} - TypeORM ${name}`)
	} catch (error) {
		failed++
		console.log(`not ok ${number} - TypeORM ${name}\n# ${String(error.stack).slice(0, 2000).replaceAll('\n', '\n# ')}`)
	}
}
await db.destroy()
process.exit(failed > 0 ? 1 : 0)
