// client HOST DATABASE: Drizzle over node-postgres, and drizzle-kit.
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { dirname } from 'node:path'
import { fileURLToPath } from 'node:url'
import { and, eq, ne, sql } from 'drizzle-orm'
import { drizzle } from 'drizzle-orm/node-postgres'
import pg from 'pg'
import { inbox, orders, products } from './schema.js'

const [host, database] = process.argv.slice(2)
const here = dirname(fileURLToPath(import.meta.url))
const pool = new pg.Pool({ host, database, user: 'orm_shop' })
const db = drizzle(pool)
const rows = async (query) => (await db.execute(query)).rows
// Drizzle wraps what the driver says
const cause = (error) => error.cause ?? error

const steps = {
	'connects as a role that was granted what the documents say': async () => {
		assert.equal((await rows(sql`SELECT current_user AS role`))[0].role, 'orm_shop')
	},
	'tracks': async () => {
		assert.equal((await rows(sql`SELECT personalize.track(${'17'}, ${'view_item'}, ${'2'}, ${{ a: 1 }}, ts => ${new Date().toISOString()})`))[0].track, 'accepted')
		assert.equal((await rows(sql`SELECT personalize.track(${17}, ${'view_item'}, ${2})`))[0].track, 'accepted')
	},
	'inserts many events and has their ids back': async () => {
		const made = await db.insert(inbox).values([1, 2, 3, 4, 5].map((i) => ({ userId: '17', event: 'view_item', itemId: String(i), properties: { n: i } }))).returning()
		assert.equal(new Set(made.map((row) => row.messageId)).size, 5)
		assert.deepEqual(made[4].properties, { n: 5 })
		const again = { messageId: 'drizzle stored', userId: '17', event: 'view_item', itemId: '1' }
		await db.insert(inbox).values(again)
		await db.insert(inbox).values(again).onConflictDoNothing({ target: inbox.messageId })
		assert.deepEqual(await db.select().from(inbox).where(eq(inbox.messageId, 'drizzle stored')), [])
		assert.deepEqual(await db.update(inbox).set({ itemId: '3' }).where(eq(inbox.messageId, 'drizzle stored')).returning(), [])
	},
	'records consent': async () => {
		await rows(sql`SELECT personalize.grant_consent(${'orm'}, ${sql.param(['analytics', 'personalization'])}, ${null})`)
		const found = await rows(sql`SELECT purpose, allowed FROM personalize.consent_of(${'orm'})`)
		assert.equal(found.find((row) => row.purpose === 'analytics').allowed, true)
	},
	'reads recommendations joined to products, as objects': async () => {
		const found = await db.select({ product: products }).from(products)
			.innerJoin(sql`personalize.recommend(${'17'}, 3) AS r`, and(sql`r.item_key = ${products.id}`, ne(sql`r.item_id`, '17')))
			.orderBy(sql`r.rank`)
		assert.equal(found.length, 3)
		assert.ok(found.every((row) => row.product.title))
	},
	'reads features': async () => {
		assert.ok((await rows(sql`SELECT value FROM personalize.features(${'17'}, purpose => 'personalization') WHERE signal = 'item_affinity'`)).length > 0)
	},
	'rolls an order and its events back together': async () => {
		await assert.rejects(db.transaction(async (tx) => {
			await tx.insert(orders).values({ customerId: '17', productId: 1 })
			await tx.insert(inbox).values({ messageId: 'drizzle rolled back', userId: '17', event: 'purchase', itemId: '1' })
			throw new Error('the payment failed')
		}), /the payment failed/)
		assert.equal(await db.$count(orders), 0)
		assert.equal((await rows(sql`SELECT personalize.track('17', 'purchase', '1', message_id => 'drizzle rolled back')`))[0].track, 'accepted')
	},
	'is told what is wrong with an event': async () => {
		const bad = [{ userId: '17', event: 'view_item' }, { userId: '17', event: '' }]
		await assert.rejects(db.transaction(async (tx) => {
			await tx.execute(sql`SET LOCAL personalize.on_bad_row = error`)
			await tx.insert(inbox).values(bad)
		}), (error) => /row 2: event must not be empty/.test(cause(error).message) && cause(error).column === 'event')
		await db.transaction(async (tx) => {
			await tx.insert(inbox).values(bad)
			assert.deepEqual((await tx.execute(sql`SELECT row_number::int, reason FROM personalize.rejections()`)).rows,
				[{ row_number: 2, reason: 'event must not be empty' }])
		})
	},
	'has its migration tool leave everything alone': async () => {
		writeFileSync(`${here}/drizzle.config.json`, JSON.stringify({ dialect: 'postgresql', schema: './migrated.js', schemaFilter: ['public'],
			tablesFilter: ['drizzle_*'], dbCredentials: { host, database, user: 'orm_shop', port: Number(process.env.PGPORT ?? 5432), ssl: false } }))
		execFileSync(process.execPath, [`${here}/node_modules/drizzle-kit/bin.cjs`, 'push', '--force', '--config=drizzle.config.json'], { cwd: here, stdio: 'pipe' })
		assert.equal((await rows(sql`SELECT to_regclass('public.drizzle_visit') IS NOT NULL AS made`))[0].made, true)
		assert.deepEqual(await rows(sql`SELECT object FROM public.orm_lost`), [])
	},
}

console.log(`1..${Object.keys(steps).length}`)
let number = 0, failed = 0
for (const [name, step] of Object.entries(steps)) {
	number++
	try {
		await step()
		console.log(`ok ${number} - Drizzle ${name}`)
	} catch (error) {
		failed++
		console.log(`not ok ${number} - Drizzle ${name}\n# ${String(cause(error).stack ?? error).slice(0, 2000).replaceAll('\n', '\n# ')}${error.stderr ? '\n# ' + String(error.stderr).replaceAll('\n', '\n# ') : ''}`)
	}
}
await pool.end()
process.exit(failed > 0 ? 1 : 0)
