// client HOST DATABASE: Sequelize over node-postgres: bulkCreate(), save(), upsert(), findOrCreate(), and sync().
import assert from 'node:assert/strict'
import { DataTypes, QueryTypes, Sequelize } from 'sequelize'

const [host, database] = process.argv.slice(2)
const db = new Sequelize({ dialect: 'postgres', host, database, username: 'orm_shop', port: Number(process.env.PGPORT ?? 5432), logging: false,
	define: { timestamps: false } })
const all = (query, replacements, transaction) => db.query(query, { replacements, type: QueryTypes.SELECT, transaction })

const Product = db.define('Product', { id: { type: DataTypes.BIGINT, primaryKey: true }, title: DataTypes.TEXT }, { tableName: 'products' })
const Order = db.define('Order', { id: { type: DataTypes.BIGINT, primaryKey: true, autoIncrement: true }, customer_id: DataTypes.TEXT, product_id: DataTypes.BIGINT },
	{ tableName: 'orders' })
// what docs/clients.md says: the key is given or made by the database
const Event = db.define('Event', {
	message_id: { type: DataTypes.TEXT, primaryKey: true, defaultValue: Sequelize.literal('personalize_internal._new_message_id()') },
	user_id: { type: DataTypes.TEXT, allowNull: false }, event: { type: DataTypes.TEXT, allowNull: false }, item_id: DataTypes.TEXT,
	properties: DataTypes.JSONB }, { tableName: 'inbox', schema: 'personalize' })
// one table of its own, which sync() makes
const Visit = db.define('Visit', { page: DataTypes.TEXT }, { tableName: 'sequelize_visit' })

const steps = {
	'connects as a role that was granted what the documents say': async () => {
		assert.equal((await all('SELECT current_user AS role'))[0].role, 'orm_shop')
	},
	'tracks': async () => {
		assert.equal((await all('SELECT personalize.track(:user, :event, :item, :properties, ts => :ts)',
			{ user: '17', event: 'view_item', item: '2', properties: '{"a": 1}', ts: new Date().toISOString() }))[0].track, 'accepted')
		assert.equal((await all('SELECT personalize.track(:user, :event, :item)', { user: 17, event: 'view_item', item: 2 }))[0].track, 'accepted')
		const [bound] = await db.query('SELECT personalize.track($1, $2, $3)', { bind: [17, 'view_item', 2], type: QueryTypes.SELECT })
		assert.equal(bound.track, 'accepted')
	},
	'inserts many events and has their ids back': async () => {
		const made = await Event.bulkCreate([1, 2, 3, 4, 5].map((i) => ({ user_id: '17', event: 'view_item', item_id: String(i), properties: { n: i } })), { returning: true })
		assert.equal(new Set(made.map((row) => row.message_id)).size, 5)
		assert.ok(made.every((row) => typeof row.message_id === 'string'))
		const saved = await Event.build({ message_id: 'sequelize saved', user_id: '17', event: 'view_item', item_id: '1' }).save()
		assert.equal(saved.message_id, 'sequelize saved')
		saved.item_id = '2'
		await saved.save()
		await Event.upsert({ message_id: 'sequelize saved', user_id: '17', event: 'view_item', item_id: '2' })
		const [found, created] = await Event.findOrCreate({ where: { message_id: 'sequelize saved' }, defaults: { user_id: '17', event: 'view_item' } })
		assert.equal(found.message_id, 'sequelize saved')
		assert.equal(created, true)
		await Event.bulkCreate([{ message_id: 'sequelize saved', user_id: '17', event: 'view_item' }], { ignoreDuplicates: true })
	},
	'records consent': async () => {
		await all('SELECT personalize.grant_consent(:user, ARRAY[:purposes], :source)', { user: 'orm', purposes: ['analytics', 'personalization'], source: null })
		const rows = await all('SELECT purpose, allowed FROM personalize.consent_of(:user)', { user: 'orm' })
		assert.equal(rows.find((row) => row.purpose === 'analytics').allowed, true)
	},
	'reads recommendations joined to products, as objects': async () => {
		const products = await db.query('SELECT p.* FROM personalize.recommend(:user, 3) r JOIN products p ON p.id = r.item_key WHERE r.item_id <> :user ORDER BY r.rank',
			{ replacements: { user: '17' }, model: Product, mapToModel: true })
		assert.equal(products.length, 3)
		assert.ok(products.every((product) => product instanceof Product && product.title))
	},
	'reads features': async () => {
		assert.ok((await all("SELECT value FROM personalize.features(:user, purpose => 'personalization') WHERE signal = 'item_affinity'", { user: '17' })).length > 0)
	},
	'rolls an order and its events back together': async () => {
		await assert.rejects(db.transaction(async (transaction) => {
			await Order.create({ customer_id: '17', product_id: 1 }, { transaction })
			await Event.create({ message_id: 'sequelize rolled back', user_id: '17', event: 'purchase', item_id: '1' }, { transaction })
			throw new Error('the payment failed')
		}), /the payment failed/)
		assert.equal(await Order.count(), 0)
		assert.equal((await all("SELECT personalize.track('17', 'purchase', '1', message_id => 'sequelize rolled back')"))[0].track, 'accepted')
	},
	'is told what is wrong with an event': async () => {
		const bad = [{ user_id: '17', event: 'view_item' }, { user_id: '17', event: '' }]
		await assert.rejects(db.transaction(async (transaction) => {
			await db.query('SET LOCAL personalize.on_bad_row = error', { transaction })
			await Event.bulkCreate(bad, { transaction })
		}), (error) => /row 2: event must not be empty/.test(error.message) && error.parent.column === 'event')
		await db.transaction(async (transaction) => {
			await Event.bulkCreate(bad, { transaction })
			assert.deepEqual(await all('SELECT row_number::int, reason FROM personalize.rejections()', {}, transaction),
				[{ row_number: 2, reason: 'event must not be empty' }])
		})
	},
	'has its migration tool leave everything alone': async () => {
		await Visit.sync({ alter: true })
		assert.equal((await all("SELECT to_regclass('public.sequelize_visit') IS NOT NULL AS made"))[0].made, true)
		assert.deepEqual(await all('SELECT object FROM public.orm_lost'), [])
	},
}

console.log(`1..${Object.keys(steps).length}`)
let number = 0, failed = 0
for (const [name, step] of Object.entries(steps)) {
	number++
	try {
		await step()
		console.log(`ok ${number} - Sequelize ${name}`)
	} catch (error) {
		failed++
		console.log(`not ok ${number} - Sequelize ${name}\n# ${String(error.stack).slice(0, 2000).replaceAll('\n', '\n# ')}`)
	}
}
await db.close()
process.exit(failed > 0 ? 1 : 0)
