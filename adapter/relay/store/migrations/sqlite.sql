CREATE TABLE "case" (
	id VARCHAR NOT NULL,
	message VARCHAR NOT NULL,
	recipient VARCHAR NOT NULL,
	state VARCHAR NOT NULL,
	opened_at VARCHAR(27) NOT NULL,
	changed_at VARCHAR(27) NOT NULL,
	due_at VARCHAR(27),
	reply VARCHAR, overdue_at VARCHAR(27),
	CONSTRAINT ck_case_state CHECK (state IN ('awaiting-reply', 'accepted', 'not-ours', 'no-capacity', 'wrong-person', 'agreed', 'returned', 'closed')),
	CONSTRAINT fk_case_id FOREIGN KEY(id) REFERENCES delivery (id),
	CONSTRAINT fk_case_message FOREIGN KEY(message) REFERENCES message (id),
	CONSTRAINT pk_case PRIMARY KEY (id)
);
CREATE TABLE "delivery" (
	number INTEGER NOT NULL,
	id VARCHAR NOT NULL,
	message VARCHAR NOT NULL,
	recipient VARCHAR NOT NULL,
	lane VARCHAR NOT NULL,
	kind VARCHAR NOT NULL,
	state VARCHAR NOT NULL,
	level VARCHAR,
	reason VARCHAR,
	basis VARCHAR,
	evidence VARCHAR,
	bundle_id VARCHAR NOT NULL,
	header_id VARCHAR NOT NULL,
	attempts INTEGER DEFAULT '0' NOT NULL,
	tries INTEGER DEFAULT '0' NOT NULL,
	overdue INTEGER DEFAULT '0' NOT NULL,
	reached INTEGER DEFAULT '0' NOT NULL,
	released_by VARCHAR,
	frozen_level VARCHAR,
	frozen_type VARCHAR,
	created_at VARCHAR(27) NOT NULL,
	queued_at VARCHAR(27) NOT NULL,
	due_at VARCHAR(27),
	changed_at VARCHAR(27) NOT NULL,
	expires_at VARCHAR(27) NOT NULL,
	sent_at VARCHAR(27),
	acknowledged_at VARCHAR(27),
	ends INTEGER DEFAULT '0' NOT NULL,
	about VARCHAR,
	about_round INTEGER,
	about_state VARCHAR,
	about_reason VARCHAR,
	about_at VARCHAR(27),
	token INTEGER,
	envelope_id VARCHAR,
	taken BOOLEAN DEFAULT 0 NOT NULL,
	CONSTRAINT ck_delivery_about CHECK ((kind = 'delivery-report') = (about IS NOT NULL)),
	CONSTRAINT ck_delivery_kind CHECK (kind IN ('notification', 'cancellation', 'delivery-report', 'feedback', 'answer')),
	CONSTRAINT ck_delivery_level CHECK (level IS NULL OR level IN ('minimal', 'clinical')),
	CONSTRAINT ck_delivery_state CHECK (state IN ('queued', 'sending', 'awaiting', 'delivered', 'acknowledged', 'withheld', 'parked', 'refused', 'closed')),
	CONSTRAINT fk_delivery_about FOREIGN KEY(about) REFERENCES delivery (id),
	CONSTRAINT fk_delivery_lane FOREIGN KEY(lane) REFERENCES lane ("key"),
	CONSTRAINT fk_delivery_message FOREIGN KEY(message) REFERENCES message (id),
	CONSTRAINT fk_delivery_recipient FOREIGN KEY(recipient) REFERENCES party ("key"),
	CONSTRAINT pk_delivery PRIMARY KEY (number),
	CONSTRAINT uq_delivery_about_about_round UNIQUE (about, about_round),
	CONSTRAINT uq_delivery_header_id UNIQUE (header_id),
	CONSTRAINT uq_delivery_id UNIQUE (id)
);
CREATE TABLE acknowledgement (
	number INTEGER NOT NULL,
	partner VARCHAR NOT NULL,
	identifier VARCHAR NOT NULL,
	code VARCHAR NOT NULL,
	verdict VARCHAR NOT NULL,
	delivery VARCHAR,
	received_at VARCHAR(27) NOT NULL,
	CONSTRAINT ck_acknowledgement_code CHECK (code IN ('ok', 'transient-error', 'fatal-error')),
	CONSTRAINT ck_acknowledgement_verdict CHECK (verdict IN ('first', 'repeat', 'late', 'contradicting', 'unknown')),
	CONSTRAINT fk_acknowledgement_delivery FOREIGN KEY(delivery) REFERENCES delivery (id),
	CONSTRAINT pk_acknowledgement PRIMARY KEY (number)
);
CREATE TABLE agreement (
	number INTEGER NOT NULL,
	name VARCHAR NOT NULL,
	version INTEGER NOT NULL,
	body TEXT NOT NULL,
	received_at VARCHAR(27) NOT NULL,
	newest BOOLEAN NOT NULL,
	ended BOOLEAN NOT NULL,
	CONSTRAINT pk_agreement PRIMARY KEY (number),
	CONSTRAINT uq_agreement_name_version UNIQUE (name, version)
);
CREATE TABLE alarm (
	code VARCHAR NOT NULL,
	about VARCHAR NOT NULL,
	began_at VARCHAR(27) NOT NULL,
	told_at VARCHAR(27),
	CONSTRAINT pk_alarm PRIMARY KEY (code, about)
);
CREATE TABLE alembic_version (
	version_num VARCHAR(32) NOT NULL,
	CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num)
);
CREATE TABLE assertion (
	client VARCHAR NOT NULL,
	id VARCHAR NOT NULL,
	until VARCHAR(27) NOT NULL,
	CONSTRAINT pk_assertion PRIMARY KEY (client, id)
);
CREATE TABLE attempt (
	delivery VARCHAR NOT NULL,
	number INTEGER NOT NULL,
	node VARCHAR NOT NULL,
	token INTEGER NOT NULL,
	started_at VARCHAR(27) NOT NULL,
	ended_at VARCHAR(27) NOT NULL,
	outcome VARCHAR NOT NULL,
	status INTEGER,
	reason VARCHAR,
	late BOOLEAN NOT NULL,
	CONSTRAINT fk_attempt_delivery FOREIGN KEY(delivery) REFERENCES delivery (id),
	CONSTRAINT pk_attempt PRIMARY KEY (delivery, number)
);
CREATE TABLE audit (
	node VARCHAR NOT NULL,
	sequence INTEGER NOT NULL,
	at VARCHAR(27) NOT NULL,
	actor VARCHAR NOT NULL,
	action VARCHAR NOT NULL,
	object VARCHAR NOT NULL,
	outcome VARCHAR NOT NULL,
	reason VARCHAR,
	detail TEXT NOT NULL,
	previous VARCHAR(64) NOT NULL,
	hash VARCHAR(64) NOT NULL,
	CONSTRAINT pk_audit PRIMARY KEY (node, sequence)
);
CREATE TABLE conflicting_submission (
	id VARCHAR NOT NULL,
	sender VARCHAR NOT NULL,
	source VARCHAR NOT NULL,
	message VARCHAR NOT NULL,
	media_type VARCHAR NOT NULL,
	digest VARCHAR NOT NULL,
	received_at VARCHAR(27) NOT NULL, version VARCHAR, base VARCHAR,
	CONSTRAINT fk_conflicting_submission_message FOREIGN KEY(message) REFERENCES message (id),
	CONSTRAINT pk_conflicting_submission PRIMARY KEY (id),
	CONSTRAINT uq_conflicting_submission_message_digest UNIQUE (message, digest)
);
CREATE TABLE consent (
	number INTEGER NOT NULL,
	id VARCHAR NOT NULL,
	version INTEGER NOT NULL,
	subject VARCHAR NOT NULL,
	owner VARCHAR,
	digest VARCHAR NOT NULL,
	origin VARCHAR NOT NULL,
	received_at VARCHAR(27) NOT NULL,
	newest BOOLEAN NOT NULL,
	ended BOOLEAN NOT NULL,
	CONSTRAINT ck_consent_origin CHECK (origin IN ('folder', 'door')),
	CONSTRAINT fk_consent_owner FOREIGN KEY(owner) REFERENCES content_key (owner),
	CONSTRAINT pk_consent PRIMARY KEY (number),
	CONSTRAINT uq_consent_id_version UNIQUE (id, version)
);
CREATE TABLE consent_filer (
	id VARCHAR NOT NULL,
	filer VARCHAR NOT NULL,
	CONSTRAINT pk_consent_filer PRIMARY KEY (id)
);
CREATE TABLE content_key (
	owner VARCHAR NOT NULL,
	wrapped BLOB,
	master VARCHAR NOT NULL,
	made_at VARCHAR(27) NOT NULL,
	destroyed_at VARCHAR(27),
	CONSTRAINT pk_content_key PRIMARY KEY (owner)
);
CREATE TABLE directory (
	number INTEGER NOT NULL,
	name VARCHAR NOT NULL,
	version INTEGER NOT NULL,
	body TEXT NOT NULL,
	received_at VARCHAR(27) NOT NULL,
	newest BOOLEAN NOT NULL,
	ended BOOLEAN NOT NULL,
	CONSTRAINT pk_directory PRIMARY KEY (number),
	CONSTRAINT uq_directory_name_version UNIQUE (name, version)
);
CREATE TABLE directory_feed (
	address VARCHAR NOT NULL,
	claimed_until VARCHAR(27),
	asked_at VARCHAR(27),
	answered_at VARCHAR(27),
	whole_at VARCHAR(27),
	stale_at VARCHAR(27),
	since VARCHAR,
	failures INTEGER NOT NULL,
	code VARCHAR,
	CONSTRAINT pk_directory_feed PRIMARY KEY (address)
);
CREATE TABLE family_name (
	number INTEGER NOT NULL,
	subject VARCHAR NOT NULL,
	family VARCHAR NOT NULL,
	message VARCHAR NOT NULL,
	received_at VARCHAR(27) NOT NULL,
	is_another BOOLEAN NOT NULL,
	CONSTRAINT fk_family_name_message FOREIGN KEY(message) REFERENCES message (id),
	CONSTRAINT pk_family_name PRIMARY KEY (number)
);
CREATE TABLE form_reply (
	id VARCHAR NOT NULL,
	delivery VARCHAR NOT NULL,
	person VARCHAR NOT NULL,
	digest VARCHAR NOT NULL,
	sent_at VARCHAR(27) NOT NULL,
	message VARCHAR,
	CONSTRAINT fk_form_reply_delivery FOREIGN KEY(delivery) REFERENCES delivery (id),
	CONSTRAINT fk_form_reply_message FOREIGN KEY(message) REFERENCES message (id),
	CONSTRAINT pk_form_reply PRIMARY KEY (id)
);
CREATE TABLE hold (
	number INTEGER NOT NULL,
	began_at VARCHAR(27) NOT NULL,
	actor VARCHAR NOT NULL,
	reason VARCHAR NOT NULL,
	lifted_at VARCHAR(27),
	lifted_by VARCHAR,
	CONSTRAINT pk_hold PRIMARY KEY (number)
);
CREATE TABLE intake_key (
	sender VARCHAR NOT NULL,
	"key" VARCHAR NOT NULL,
	message VARCHAR NOT NULL,
	digest VARCHAR NOT NULL,
	CONSTRAINT fk_intake_key_message FOREIGN KEY(message) REFERENCES message (id),
	CONSTRAINT pk_intake_key PRIMARY KEY (sender, "key")
);
CREATE TABLE lane (
	"key" VARCHAR NOT NULL,
	recipient VARCHAR NOT NULL,
	waiting INTEGER DEFAULT '0' NOT NULL,
	ready_at VARCHAR(27) NOT NULL,
	lease_token INTEGER DEFAULT '0' NOT NULL,
	lease_owner VARCHAR,
	lease_until VARCHAR(27),
	CONSTRAINT ck_lane_waiting CHECK (waiting >= 0),
	CONSTRAINT fk_lane_recipient FOREIGN KEY(recipient) REFERENCES party ("key"),
	CONSTRAINT pk_lane PRIMARY KEY ("key")
);
CREATE TABLE message (
	number INTEGER NOT NULL,
	id VARCHAR NOT NULL,
	sender VARCHAR NOT NULL,
	source VARCHAR NOT NULL,
	mode VARCHAR NOT NULL,
	state VARCHAR NOT NULL,
	meaning VARCHAR,
	event VARCHAR,
	notification VARCHAR,
	digest VARCHAR NOT NULL,
	subject VARCHAR,
	received_at VARCHAR(27) NOT NULL,
	happened_at VARCHAR,
	changed_at VARCHAR(27) NOT NULL,
	media_type VARCHAR NOT NULL,
	cancels VARCHAR,
	superseded_by VARCHAR,
	issues TEXT NOT NULL,
	extra TEXT NOT NULL,
	answer_status INTEGER NOT NULL,
	answer_type VARCHAR NOT NULL,
	answer_body BLOB NOT NULL,
	forgotten_at VARCHAR(27),
	CONSTRAINT ck_message_meaning CHECK (meaning IS NULL OR meaning IN ('done', 'planned', 'update', 'cancel', 'identity-change', 'person-data', 'not-ours')),
	CONSTRAINT ck_message_mode CHECK (mode IN ('test', 'production')),
	CONSTRAINT ck_message_state CHECK (state IN ('unreadable', 'invalid', 'not-applicable', 'needs-routing', 'accepted', 'settled', 'closed')),
	CONSTRAINT pk_message PRIMARY KEY (number),
	CONSTRAINT uq_message_id UNIQUE (id)
);
CREATE TABLE node (
	name VARCHAR NOT NULL,
	started_at VARCHAR(27) NOT NULL,
	version VARCHAR NOT NULL,
	master VARCHAR NOT NULL, process VARCHAR,
	CONSTRAINT pk_node PRIMARY KEY (name)
);
CREATE TABLE offer_notice (
	partner VARCHAR NOT NULL,
	newest INTEGER NOT NULL,
	told_at VARCHAR(27) NOT NULL,
	CONSTRAINT pk_offer_notice PRIMARY KEY (partner)
);
CREATE TABLE party (
	"key" VARCHAR NOT NULL,
	takes_reports BOOLEAN DEFAULT 0 NOT NULL,
	failures INTEGER DEFAULT '0' NOT NULL,
	pauses INTEGER DEFAULT '0' NOT NULL,
	paused_until VARCHAR(27),
	pause_reason VARCHAR, successes INTEGER DEFAULT '0' NOT NULL, window_tries INTEGER DEFAULT '0' NOT NULL, window_failures INTEGER DEFAULT '0' NOT NULL, window_at VARCHAR(27),
	CONSTRAINT pk_party PRIMARY KEY ("key")
);
CREATE TABLE payload (
	owner VARCHAR NOT NULL,
	part VARCHAR NOT NULL,
	sealed BLOB NOT NULL,
	CONSTRAINT fk_payload_owner FOREIGN KEY(owner) REFERENCES content_key (owner),
	CONSTRAINT pk_payload PRIMARY KEY (owner, part)
);
CREATE TABLE replay (
	number INTEGER NOT NULL,
	id VARCHAR NOT NULL,
	state VARCHAR NOT NULL,
	wanted TEXT NOT NULL,
	preview TEXT NOT NULL,
	reason VARCHAR NOT NULL,
	per_minute INTEGER NOT NULL,
	prepared_by VARCHAR NOT NULL,
	prepared_at VARCHAR(27) NOT NULL,
	lapses_at VARCHAR(27) NOT NULL,
	released_by VARCHAR,
	released_at VARCHAR(27),
	next_at VARCHAR(27),
	ended_by VARCHAR,
	ended_at VARCHAR(27),
	CONSTRAINT ck_replay_four_eyes CHECK (released_by <> prepared_by),
	CONSTRAINT ck_replay_state CHECK (state IN ('prepared', 'released', 'done', 'cancelled', 'lapsed')),
	CONSTRAINT pk_replay PRIMARY KEY (number),
	CONSTRAINT uq_replay_id UNIQUE (id)
);
CREATE TABLE replay_item (
	replay VARCHAR NOT NULL,
	number INTEGER NOT NULL,
	delivery VARCHAR NOT NULL,
	state VARCHAR NOT NULL,
	reason VARCHAR,
	at VARCHAR(27),
	CONSTRAINT ck_replay_item_state CHECK (state IN ('waiting', 'queued', 'skipped', 'taken-back')),
	CONSTRAINT fk_replay_item_delivery FOREIGN KEY(delivery) REFERENCES delivery (id),
	CONSTRAINT fk_replay_item_replay FOREIGN KEY(replay) REFERENCES replay (id),
	CONSTRAINT pk_replay_item PRIMARY KEY (replay, number)
);
CREATE TABLE session (
	id VARCHAR(64) NOT NULL,
	person VARCHAR NOT NULL,
	proof VARCHAR NOT NULL,
	language VARCHAR NOT NULL,
	began_at VARCHAR(27) NOT NULL,
	seen_at VARCHAR(27) NOT NULL,
	CONSTRAINT pk_session PRIMARY KEY (id)
);
CREATE TABLE shadow (
	since VARCHAR(27) NOT NULL,
	CONSTRAINT pk_shadow PRIMARY KEY (since)
);
CREATE TABLE sign_in_guess (
	name VARCHAR NOT NULL,
	guesses INTEGER NOT NULL,
	since VARCHAR(27) NOT NULL,
	CONSTRAINT pk_sign_in_guess PRIMARY KEY (name)
);
CREATE INDEX ix_acknowledgement_delivery ON acknowledgement (delivery);
CREATE INDEX ix_acknowledgement_identifier ON acknowledgement (identifier);
CREATE INDEX ix_assertion_until ON assertion (until);
CREATE INDEX ix_audit_object ON audit (object);
CREATE INDEX ix_case_message ON "case" (message);
CREATE INDEX ix_case_state ON "case" (state);
CREATE INDEX ix_consent_subject ON consent (subject, number);
CREATE INDEX ix_delivery_bundle_id ON delivery (bundle_id);
CREATE INDEX ix_delivery_due ON delivery (due_at) WHERE state IN ('awaiting', 'withheld') AND due_at IS NOT NULL;
CREATE INDEX ix_delivery_envelope_id ON delivery (envelope_id) WHERE envelope_id IS NOT NULL;
CREATE INDEX ix_delivery_expiry ON delivery (expires_at) WHERE state IN ('queued', 'awaiting', 'withheld');
CREATE INDEX ix_delivery_message ON delivery (message);
CREATE INDEX ix_delivery_queue ON delivery (lane, number) WHERE state = 'queued';
CREATE INDEX ix_delivery_state ON delivery (state, number);
CREATE INDEX ix_family_name_subject ON family_name (subject, number);
CREATE INDEX ix_form_reply_delivery ON form_reply (delivery);
CREATE INDEX ix_lane_leased ON lane (lease_until) WHERE lease_until IS NOT NULL;
CREATE INDEX ix_lane_ready ON lane (recipient, ready_at) WHERE waiting > 0 AND lease_until IS NULL;
CREATE INDEX ix_message_kept ON message (changed_at) WHERE forgotten_at IS NULL;
CREATE INDEX ix_message_notification ON message (sender, notification);
CREATE INDEX ix_message_state ON message (state, number);
CREATE INDEX ix_message_subject ON message (subject);
CREATE INDEX ix_message_unmatched ON message (received_at) WHERE meaning = 'cancel' AND state = 'not-applicable' AND cancels IS NULL;
CREATE INDEX ix_replay_state ON replay (state);
CREATE TRIGGER attempt_unchanged BEFORE UPDATE ON attempt BEGIN SELECT RAISE(ABORT, 'attempt is append-only'); END;
CREATE TRIGGER attempt_undeleted BEFORE DELETE ON attempt BEGIN SELECT RAISE(ABORT, 'attempt is append-only'); END;
CREATE TRIGGER audit_unchanged BEFORE UPDATE ON audit BEGIN SELECT RAISE(ABORT, 'audit is append-only'); END;
CREATE TRIGGER audit_undeleted BEFORE DELETE ON audit BEGIN SELECT RAISE(ABORT, 'audit is append-only'); END;
INSERT INTO "alembic_version" VALUES('0016');
