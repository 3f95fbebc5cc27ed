// What the application declares, as docs/clients.md has it.
import { sql } from 'drizzle-orm'
import { bigint, bigserial, integer, jsonb, numeric, pgSchema, pgTable, text } from 'drizzle-orm/pg-core'

export const products = pgTable('products', { id: bigint({ mode: 'number' }).primaryKey(), title: text(), department: text(), price: numeric() })
export const orders = pgTable('orders', { id: bigserial({ mode: 'number' }).primaryKey(), customerId: text('customer_id').notNull(), productId: bigint('product_id', { mode: 'number' }) })
export const inbox = pgSchema('personalize').table('inbox', {
	messageId: text('message_id').primaryKey().default(sql`personalize_internal._new_message_id()`),
	userId: text('user_id').notNull(), event: text().notNull(), itemId: text('item_id'), properties: jsonb() })
