# activerecord_client HOST DATABASE: Ruby's ActiveRecord, models of inbox and products, and its migrations.
require 'active_record'
require 'stringio'

host, database = ARGV
ActiveRecord::Base.establish_connection(adapter: 'postgresql', host: host, database: database, username: 'orm_shop')

class Product < ActiveRecord::Base; end

class Order < ActiveRecord::Base; end

# what docs/clients.md says: types of a view's columns are told
class Event < ActiveRecord::Base
  self.table_name = 'personalize.inbox'
  self.primary_key = 'message_id'
  attribute :properties, :json
  attribute :ts, :string
end

class MakeVisits < ActiveRecord::Migration[6.1]
  def change
    create_table(:activerecord_visits) { |t| t.text :page }
  end
end

def value(sql, *values)
  ActiveRecord::Base.connection.select_value(ActiveRecord::Base.sanitize_sql([sql, *values]))
end

def check(holds, what)
  raise what.inspect unless holds
end

STEPS = {
  'connects as a role that was granted what the documents say' => lambda {
    check value('SELECT current_user') == 'orm_shop', 'the role'
  },
  'tracks' => lambda {
    check value("SELECT personalize.track(?, ?, ?, ?, ts => ?)", '17', 'view_item', '2', '{"a": 1}', Time.now.utc.iso8601) == 'accepted', 'track'
    check value('SELECT personalize.track(?, ?, ?)', 17, 'view_item', 2) == 'accepted', 'track of numbers'
    bound = [17, 'view_item', 2].map { |v| ActiveRecord::Relation::QueryAttribute.new('x', v, ActiveRecord::Type::Value.new) }
    check ActiveRecord::Base.connection.exec_query('SELECT personalize.track($1, $2, $3)', 'SQL', bound).rows == [['accepted']], 'bound'
  },
  'inserts many events and has their ids back' => lambda {
    made = Event.create!((1..5).map { |i| { user_id: '17', event: 'view_item', item_id: i.to_s, properties: { n: i } } })
    check made.map(&:message_id).compact.uniq.size == 5, made
    saved = Event.create!(message_id: 'activerecord saved', user_id: '17', event: 'view_item', item_id: '1')
    check saved.message_id == 'activerecord saved', saved
    saved.item_id = '2'
    check saved.save!, saved
    found = Event.find_or_create_by!(message_id: 'activerecord saved') { |e| e.user_id, e.event = '17', 'view_item' }
    check found.message_id == 'activerecord saved', found
    check Event.find_by(message_id: 'activerecord saved').nil?, 'inbox is empty when read'
  },
  'records consent' => lambda {
    value('SELECT personalize.grant_consent(?, ARRAY[?], ?)', 'orm', %w[analytics personalization], nil)
    check value("SELECT allowed FROM personalize.consent_of(?) WHERE purpose = 'analytics'", 'orm') == true, 'consent'
  },
  'reads recommendations joined to products, as objects' => lambda {
    products = Product.joins(Product.sanitize_sql(["JOIN personalize.recommend(?, 3) r ON r.item_key = products.id AND r.item_id <> '17'", '17'])).order('r.rank').to_a
    check products.size == 3 && products.all?(&:title), products
  },
  'reads features' => lambda {
    check value("SELECT count(*) FROM personalize.features(?, purpose => 'personalization') WHERE signal = 'item_affinity'", '17') > 0, 'features'
  },
  'rolls an order and its events back together' => lambda {
    ActiveRecord::Base.transaction do
      Order.create!(customer_id: '17', product_id: 1)
      Event.create!(message_id: 'activerecord rolled back', user_id: '17', event: 'purchase', item_id: '1')
      raise ActiveRecord::Rollback
    end
    check Order.count == 0, Order.count
    check value("SELECT personalize.track('17', 'purchase', '1', message_id => 'activerecord rolled back')") == 'accepted', 'it was stored'
  },
  'is told what is wrong with an event' => lambda {
    told = begin
      Event.transaction do
        value("SELECT set_config('personalize.on_bad_row', 'error', true)")
        Event.create!(user_id: '17', event: '')
      end
    rescue ActiveRecord::StatementInvalid => e
      e
    end
    check told.is_a?(Exception) && told.message.include?('event must not be empty'), told
    check told.cause.result.error_field(PG::Result::PG_DIAG_COLUMN_NAME) == 'event', told.cause
    Event.transaction do
      Event.create!(user_id: '17', event: '')
      check value('SELECT reason FROM personalize.rejections()') == 'event must not be empty', 'rejections()'
    end
  },
  'has its migration tool leave everything alone' => lambda {
    ActiveRecord::Migration.suppress_messages { MakeVisits.migrate(:up) }
    dump = StringIO.new
    ActiveRecord::SchemaDumper.dump(ActiveRecord::Base.connection, dump)
    check dump.string.include?('create_table "activerecord_visits"'), dump.string
    check dump.string.lines.grep(/personalize/).map(&:strip) == ['enable_extension "personalize"'], dump.string.lines.grep(/personalize/)
    check value('SELECT count(*) FROM public.orm_lost') == 0, 'objects are lost'
  }
}.freeze

# it tells of each column whose type it does not know
$stderr = StringIO.new
puts "1..#{STEPS.size}"
failed = 0
STEPS.each_with_index do |(name, step), index|
  step.call
  puts "ok #{index + 1} - ActiveRecord #{name}"
rescue StandardError => e
  failed = 1
  puts "not ok #{index + 1} - ActiveRecord #{name}", "# #{e.class}: #{e.message} #{e.backtrace.first(3)}"[0, 2000].gsub("\n", "\n# ")
end
exit failed
