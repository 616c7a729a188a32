--
-- PostgreSQL database dump
--

\restrict upgrade

-- Dumped from database version 18.6
-- Dumped by pg_dump version 18.6

SET statement_timeout = 0;
SET lock_timeout = 0;
SET idle_in_transaction_session_timeout = 0;
SET transaction_timeout = 0;
SET client_encoding = 'UTF8';
SET standard_conforming_strings = on;
SELECT pg_catalog.set_config('search_path', '', false);
SET check_function_bodies = false;
SET xmloption = content;
SET client_min_messages = warning;
SET row_security = off;

--
-- Name: forget_usage_before(timestamp with time zone); Type: FUNCTION; Schema: public; Owner: -
--

CREATE FUNCTION public.forget_usage_before(cutoff timestamp with time zone) RETURNS SETOF text
    LANGUAGE plpgsql
    AS $$
DECLARE
    month record;
    bound timestamptz;
BEGIN
    PERFORM pg_advisory_xact_lock(x'746f6c6d'::int);  -- no partition is made meanwhile
    PERFORM 1 FROM usage_horizon FOR UPDATE;          -- nothing is rolled meanwhile
    FOR month IN
        SELECT child.oid::regclass::text AS name,
               (regexp_match(pg_get_expr(child.relpartbound, child.oid), 'TO \(''([^'']+)''\)'))[1]::timestamptz AS ends
        FROM pg_inherits JOIN pg_class child ON child.oid = inhrelid
        WHERE inhparent = 'usage'::regclass
        ORDER BY 2
    LOOP
        CONTINUE WHEN month.ends IS NULL OR month.ends > cutoff;
        IF EXISTS (SELECT 1 FROM usage_marks
                   WHERE width = 60 AND bucket < month.ends
                     AND bucket >= (SELECT rows_from FROM usage_horizon)) THEN
            RAISE EXCEPTION '% is not summed up yet; try again in a minute', month.name;
        END IF;
        EXECUTE format('DROP TABLE %s', month.name);
        bound := month.ends;
        RETURN NEXT month.name;
    END LOOP;
    IF bound IS NOT NULL THEN
        UPDATE usage_horizon
        SET rows_from = greatest(rows_from, bound), minutes_from = greatest(minutes_from, bound);
    END IF;
END $$;


--
-- Name: usage_mark(); Type: FUNCTION; Schema: public; Owner: -
--

CREATE FUNCTION public.usage_mark() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
BEGIN
    INSERT INTO usage_marks (width, bucket)
    SELECT DISTINCT 60, date_bin('1 minute', ts, '1970-01-01Z') FROM changed;
    RETURN NULL;
END $$;


--
-- Name: usage_mark_both(); Type: FUNCTION; Schema: public; Owner: -
--

CREATE FUNCTION public.usage_mark_both() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
BEGIN
    INSERT INTO usage_marks (width, bucket)
    SELECT 60, date_bin('1 minute', ts, '1970-01-01Z') FROM changed
    UNION SELECT 60, date_bin('1 minute', ts, '1970-01-01Z') FROM before;
    RETURN NULL;
END $$;


SET default_tablespace = '';

SET default_table_access_method = heap;

--
-- Name: admin_tokens; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.admin_tokens (
    id text DEFAULT (gen_random_uuid())::text NOT NULL,
    name text NOT NULL,
    role text NOT NULL,
    token_hash text NOT NULL,
    token_prefix text NOT NULL,
    expires_at timestamp with time zone,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    updated_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT admin_tokens_role_check CHECK ((role = ANY (ARRAY['owner'::text, 'operator'::text, 'viewer'::text]))),
    CONSTRAINT admin_tokens_token_hash_check CHECK ((token_hash ~ '^[0-9a-f]{64}$'::text))
);


--
-- Name: api_keys; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.api_keys (
    id text NOT NULL,
    tenant_id text NOT NULL,
    user_id text,
    name text NOT NULL,
    key_hash text NOT NULL,
    key_prefix text NOT NULL,
    disabled boolean DEFAULT false NOT NULL,
    models_allowed text[],
    tokens_per_minute bigint,
    requests_per_minute bigint,
    expires_at timestamp with time zone,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    updated_at timestamp with time zone DEFAULT now() NOT NULL,
    last_used_at timestamp with time zone,
    CONSTRAINT api_keys_key_hash_check CHECK ((key_hash ~ '^[0-9a-f]{64}$'::text)),
    CONSTRAINT api_keys_requests_per_minute_check CHECK ((requests_per_minute > 0)),
    CONSTRAINT api_keys_tokens_per_minute_check CHECK ((tokens_per_minute > 0))
);


--
-- Name: audit_log; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.audit_log (
    id bigint NOT NULL,
    ts timestamp with time zone DEFAULT now() NOT NULL,
    actor text NOT NULL,
    action text NOT NULL,
    target_type text NOT NULL,
    target_id text NOT NULL,
    before jsonb,
    after jsonb,
    source text DEFAULT ''::text NOT NULL,
    request_id text DEFAULT ''::text NOT NULL
);


--
-- Name: audit_log_id_seq; Type: SEQUENCE; Schema: public; Owner: -
--

ALTER TABLE public.audit_log ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.audit_log_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);


--
-- Name: fairshare_groups; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.fairshare_groups (
    name text NOT NULL,
    weight integer DEFAULT 100 NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    updated_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT fairshare_groups_weight_check CHECK ((weight > 0))
);


--
-- Name: idempotency_keys; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.idempotency_keys (
    actor text NOT NULL,
    idempotency_key text NOT NULL,
    fingerprint text NOT NULL,
    target_type text,
    target_id text,
    response jsonb,
    ts timestamp with time zone DEFAULT now() NOT NULL
);


--
-- Name: retired_secrets; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.retired_secrets (
    key_hash text NOT NULL,
    key_id text NOT NULL,
    key_prefix text NOT NULL,
    expires_at timestamp with time zone NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT retired_secrets_key_hash_check CHECK ((key_hash ~ '^[0-9a-f]{64}$'::text))
);


--
-- Name: key_secrets; Type: VIEW; Schema: public; Owner: -
--

CREATE VIEW public.key_secrets AS
 SELECT api_keys.key_hash,
    api_keys.key_prefix,
    api_keys.id AS key_id,
    api_keys.tenant_id,
    api_keys.user_id,
    NULL::timestamp with time zone AS retired_at
   FROM public.api_keys
UNION ALL
 SELECT r.key_hash,
    r.key_prefix,
    r.key_id,
    k.tenant_id,
    k.user_id,
    r.expires_at AS retired_at
   FROM (public.retired_secrets r
     JOIN public.api_keys k ON ((k.id = r.key_id)));


--
-- Name: limits; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.limits (
    id text NOT NULL,
    name text NOT NULL,
    scope text NOT NULL,
    tenant_id text,
    key_id text,
    user_id text,
    model text,
    fairshare_group text,
    subject text GENERATED ALWAYS AS (COALESCE(key_id, user_id, model, fairshare_group, ''::text)) STORED NOT NULL,
    unit text NOT NULL,
    amount bigint NOT NULL,
    kind text DEFAULT 'bucket'::text NOT NULL,
    window_seconds bigint NOT NULL,
    calendar text,
    time_zone text DEFAULT 'UTC'::text NOT NULL,
    cached_weight integer DEFAULT 100 NOT NULL,
    reasoning_weight integer DEFAULT 100 NOT NULL,
    shadow boolean DEFAULT false NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    updated_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT limits_amount_check CHECK ((amount > 0)),
    CONSTRAINT limits_cached_weight_check CHECK (((cached_weight >= 0) AND (cached_weight <= 1000))),
    CONSTRAINT limits_calendar_check CHECK ((calendar = ANY (ARRAY['minute'::text, 'hour'::text, 'day'::text, 'week'::text, 'month'::text]))),
    CONSTRAINT limits_check CHECK ((((scope = 'group'::text) = (fairshare_group IS NOT NULL)) AND ((scope = 'group'::text) = (tenant_id IS NULL)))),
    CONSTRAINT limits_check1 CHECK (((scope = 'model'::text) = (model IS NOT NULL))),
    CONSTRAINT limits_check2 CHECK (((key_id IS NULL) OR (scope = 'key'::text))),
    CONSTRAINT limits_check3 CHECK (((user_id IS NULL) OR (scope = 'user'::text))),
    CONSTRAINT limits_id_check CHECK ((id ~ '^lim_[0-9a-f]{16}$'::text)),
    CONSTRAINT limits_kind_check CHECK ((kind = ANY (ARRAY['bucket'::text, 'fixed_window'::text, 'sliding_window'::text]))),
    CONSTRAINT limits_reasoning_weight_check CHECK (((reasoning_weight >= 0) AND (reasoning_weight <= 1000))),
    CONSTRAINT limits_scope_check CHECK ((scope = ANY (ARRAY['tenant'::text, 'user'::text, 'key'::text, 'model'::text, 'group'::text]))),
    CONSTRAINT limits_unit_check CHECK ((unit = ANY (ARRAY['tokens'::text, 'input_tokens'::text, 'output_tokens'::text, 'requests'::text, 'cost'::text]))),
    CONSTRAINT limits_window_seconds_check CHECK ((window_seconds > 0))
);


--
-- Name: mcp_servers; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.mcp_servers (
    id text DEFAULT (gen_random_uuid())::text NOT NULL,
    name text NOT NULL,
    url text NOT NULL,
    description text DEFAULT ''::text NOT NULL,
    headers jsonb DEFAULT '{}'::jsonb NOT NULL,
    enabled boolean DEFAULT true NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    updated_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT mcp_servers_headers_check CHECK ((jsonb_typeof(headers) = 'object'::text))
);


--
-- Name: model_catalog; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.model_catalog (
    only_row boolean DEFAULT true NOT NULL,
    version bigint DEFAULT 1 NOT NULL,
    CONSTRAINT model_catalog_only_row_check CHECK (only_row)
);


--
-- Name: models; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.models (
    id text DEFAULT (gen_random_uuid())::text NOT NULL,
    name text NOT NULL,
    enabled boolean DEFAULT true NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    updated_at timestamp with time zone DEFAULT now() NOT NULL,
    upstream_name text,
    endpoint text,
    input_price numeric(20,8),
    output_price numeric(20,8),
    cached_price numeric(20,8),
    context_window bigint,
    weight integer DEFAULT 100 NOT NULL,
    max_in_flight integer,
    cache_enabled boolean DEFAULT false NOT NULL,
    cache_ttl_seconds integer DEFAULT 300 NOT NULL,
    CONSTRAINT models_cache_ttl_seconds_check CHECK ((cache_ttl_seconds > 0)),
    CONSTRAINT models_cached_price_check CHECK ((cached_price >= (0)::numeric)),
    CONSTRAINT models_context_window_check CHECK ((context_window > 0)),
    CONSTRAINT models_input_price_check CHECK ((input_price >= (0)::numeric)),
    CONSTRAINT models_max_in_flight_check CHECK ((max_in_flight > 0)),
    CONSTRAINT models_output_price_check CHECK ((output_price >= (0)::numeric)),
    CONSTRAINT models_weight_check CHECK ((weight > 0))
);


--
-- Name: policies; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.policies (
    name text NOT NULL,
    description text DEFAULT ''::text NOT NULL,
    limits jsonb DEFAULT '[]'::jsonb NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    updated_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT policies_name_check CHECK ((name ~ '^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$'::text))
);


--
-- Name: redis_outbox; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.redis_outbox (
    id bigint NOT NULL,
    key_hash text NOT NULL,
    version bigint NOT NULL,
    ts timestamp with time zone DEFAULT now() NOT NULL
);


--
-- Name: redis_outbox_id_seq; Type: SEQUENCE; Schema: public; Owner: -
--

ALTER TABLE public.redis_outbox ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.redis_outbox_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);


--
-- Name: runtime_settings; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.runtime_settings (
    only_row boolean DEFAULT true NOT NULL,
    max_in_flight integer,
    max_in_flight_total integer,
    version bigint DEFAULT 1 NOT NULL,
    updated_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT runtime_settings_max_in_flight_check CHECK ((max_in_flight >= 0)),
    CONSTRAINT runtime_settings_max_in_flight_total_check CHECK ((max_in_flight_total >= 0)),
    CONSTRAINT runtime_settings_only_row_check CHECK (only_row)
);


--
-- Name: schema_migrations; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.schema_migrations (
    name text NOT NULL,
    applied_at timestamp with time zone DEFAULT now() NOT NULL
);


--
-- Name: tenants; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.tenants (
    id text NOT NULL,
    name text NOT NULL,
    fairshare_group text DEFAULT 'default'::text NOT NULL,
    weight integer DEFAULT 100 NOT NULL,
    tokens_per_minute bigint,
    requests_per_minute bigint,
    max_in_flight integer,
    version bigint DEFAULT 1 NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    updated_at timestamp with time zone DEFAULT now() NOT NULL,
    status text DEFAULT 'active'::text NOT NULL,
    policy text,
    metadata jsonb DEFAULT '{}'::jsonb NOT NULL,
    CONSTRAINT tenants_id_check CHECK ((id ~ '^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$'::text)),
    CONSTRAINT tenants_max_in_flight_check CHECK ((max_in_flight > 0)),
    CONSTRAINT tenants_metadata_check CHECK ((jsonb_typeof(metadata) = 'object'::text)),
    CONSTRAINT tenants_requests_per_minute_check CHECK ((requests_per_minute > 0)),
    CONSTRAINT tenants_status_check CHECK ((status = ANY (ARRAY['active'::text, 'suspended'::text]))),
    CONSTRAINT tenants_tokens_per_minute_check CHECK ((tokens_per_minute > 0)),
    CONSTRAINT tenants_weight_check CHECK ((weight > 0))
);


--
-- Name: usage; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.usage (
    id uuid NOT NULL,
    ts timestamp with time zone NOT NULL,
    request_id text DEFAULT ''::text NOT NULL,
    tenant_id text NOT NULL,
    key_id text DEFAULT ''::text NOT NULL,
    user_id text DEFAULT ''::text NOT NULL,
    end_user_id text DEFAULT ''::text NOT NULL,
    model text DEFAULT ''::text NOT NULL,
    admission text NOT NULL,
    input_tokens bigint DEFAULT 0 NOT NULL,
    output_tokens bigint DEFAULT 0 NOT NULL,
    cached_tokens bigint DEFAULT 0 NOT NULL,
    reasoning_tokens bigint DEFAULT 0 NOT NULL,
    reserved_tokens bigint DEFAULT 0 NOT NULL,
    usage_source text NOT NULL,
    status integer DEFAULT 0 NOT NULL,
    denied_by text DEFAULT ''::text NOT NULL,
    streamed boolean DEFAULT false NOT NULL,
    aborted boolean DEFAULT false NOT NULL,
    method text DEFAULT ''::text NOT NULL,
    path text DEFAULT ''::text NOT NULL,
    total_ms bigint DEFAULT 0 NOT NULL,
    ttft_ms bigint,
    queue_ms bigint DEFAULT 0 NOT NULL,
    bytes_in bigint DEFAULT 0 NOT NULL,
    bytes_out bigint DEFAULT 0 NOT NULL,
    input_cost numeric(30,10) DEFAULT 0 NOT NULL,
    cached_cost numeric(30,10) DEFAULT 0 NOT NULL,
    output_cost numeric(30,10) DEFAULT 0 NOT NULL
)
PARTITION BY RANGE (ts);


--
-- Name: usage_2026_10; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.usage_2026_10 (
    id uuid CONSTRAINT usage_id_not_null NOT NULL,
    ts timestamp with time zone CONSTRAINT usage_ts_not_null NOT NULL,
    request_id text DEFAULT ''::text CONSTRAINT usage_request_id_not_null NOT NULL,
    tenant_id text CONSTRAINT usage_tenant_id_not_null NOT NULL,
    key_id text DEFAULT ''::text CONSTRAINT usage_key_id_not_null NOT NULL,
    user_id text DEFAULT ''::text CONSTRAINT usage_user_id_not_null NOT NULL,
    end_user_id text DEFAULT ''::text CONSTRAINT usage_end_user_id_not_null NOT NULL,
    model text DEFAULT ''::text CONSTRAINT usage_model_not_null NOT NULL,
    admission text CONSTRAINT usage_admission_not_null NOT NULL,
    input_tokens bigint DEFAULT 0 CONSTRAINT usage_input_tokens_not_null NOT NULL,
    output_tokens bigint DEFAULT 0 CONSTRAINT usage_output_tokens_not_null NOT NULL,
    cached_tokens bigint DEFAULT 0 CONSTRAINT usage_cached_tokens_not_null NOT NULL,
    reasoning_tokens bigint DEFAULT 0 CONSTRAINT usage_reasoning_tokens_not_null NOT NULL,
    reserved_tokens bigint DEFAULT 0 CONSTRAINT usage_reserved_tokens_not_null NOT NULL,
    usage_source text CONSTRAINT usage_usage_source_not_null NOT NULL,
    status integer DEFAULT 0 CONSTRAINT usage_status_not_null NOT NULL,
    denied_by text DEFAULT ''::text CONSTRAINT usage_denied_by_not_null NOT NULL,
    streamed boolean DEFAULT false CONSTRAINT usage_streamed_not_null NOT NULL,
    aborted boolean DEFAULT false CONSTRAINT usage_aborted_not_null NOT NULL,
    method text DEFAULT ''::text CONSTRAINT usage_method_not_null NOT NULL,
    path text DEFAULT ''::text CONSTRAINT usage_path_not_null NOT NULL,
    total_ms bigint DEFAULT 0 CONSTRAINT usage_total_ms_not_null NOT NULL,
    ttft_ms bigint,
    queue_ms bigint DEFAULT 0 CONSTRAINT usage_queue_ms_not_null NOT NULL,
    bytes_in bigint DEFAULT 0 CONSTRAINT usage_bytes_in_not_null NOT NULL,
    bytes_out bigint DEFAULT 0 CONSTRAINT usage_bytes_out_not_null NOT NULL,
    input_cost numeric(30,10) DEFAULT 0 CONSTRAINT usage_input_cost_not_null NOT NULL,
    cached_cost numeric(30,10) DEFAULT 0 CONSTRAINT usage_cached_cost_not_null NOT NULL,
    output_cost numeric(30,10) DEFAULT 0 CONSTRAINT usage_output_cost_not_null NOT NULL
);


--
-- Name: usage_2026_11; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.usage_2026_11 (
    id uuid CONSTRAINT usage_id_not_null NOT NULL,
    ts timestamp with time zone CONSTRAINT usage_ts_not_null NOT NULL,
    request_id text DEFAULT ''::text CONSTRAINT usage_request_id_not_null NOT NULL,
    tenant_id text CONSTRAINT usage_tenant_id_not_null NOT NULL,
    key_id text DEFAULT ''::text CONSTRAINT usage_key_id_not_null NOT NULL,
    user_id text DEFAULT ''::text CONSTRAINT usage_user_id_not_null NOT NULL,
    end_user_id text DEFAULT ''::text CONSTRAINT usage_end_user_id_not_null NOT NULL,
    model text DEFAULT ''::text CONSTRAINT usage_model_not_null NOT NULL,
    admission text CONSTRAINT usage_admission_not_null NOT NULL,
    input_tokens bigint DEFAULT 0 CONSTRAINT usage_input_tokens_not_null NOT NULL,
    output_tokens bigint DEFAULT 0 CONSTRAINT usage_output_tokens_not_null NOT NULL,
    cached_tokens bigint DEFAULT 0 CONSTRAINT usage_cached_tokens_not_null NOT NULL,
    reasoning_tokens bigint DEFAULT 0 CONSTRAINT usage_reasoning_tokens_not_null NOT NULL,
    reserved_tokens bigint DEFAULT 0 CONSTRAINT usage_reserved_tokens_not_null NOT NULL,
    usage_source text CONSTRAINT usage_usage_source_not_null NOT NULL,
    status integer DEFAULT 0 CONSTRAINT usage_status_not_null NOT NULL,
    denied_by text DEFAULT ''::text CONSTRAINT usage_denied_by_not_null NOT NULL,
    streamed boolean DEFAULT false CONSTRAINT usage_streamed_not_null NOT NULL,
    aborted boolean DEFAULT false CONSTRAINT usage_aborted_not_null NOT NULL,
    method text DEFAULT ''::text CONSTRAINT usage_method_not_null NOT NULL,
    path text DEFAULT ''::text CONSTRAINT usage_path_not_null NOT NULL,
    total_ms bigint DEFAULT 0 CONSTRAINT usage_total_ms_not_null NOT NULL,
    ttft_ms bigint,
    queue_ms bigint DEFAULT 0 CONSTRAINT usage_queue_ms_not_null NOT NULL,
    bytes_in bigint DEFAULT 0 CONSTRAINT usage_bytes_in_not_null NOT NULL,
    bytes_out bigint DEFAULT 0 CONSTRAINT usage_bytes_out_not_null NOT NULL,
    input_cost numeric(30,10) DEFAULT 0 CONSTRAINT usage_input_cost_not_null NOT NULL,
    cached_cost numeric(30,10) DEFAULT 0 CONSTRAINT usage_cached_cost_not_null NOT NULL,
    output_cost numeric(30,10) DEFAULT 0 CONSTRAINT usage_output_cost_not_null NOT NULL
);


--
-- Name: usage_2026_12; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.usage_2026_12 (
    id uuid CONSTRAINT usage_id_not_null NOT NULL,
    ts timestamp with time zone CONSTRAINT usage_ts_not_null NOT NULL,
    request_id text DEFAULT ''::text CONSTRAINT usage_request_id_not_null NOT NULL,
    tenant_id text CONSTRAINT usage_tenant_id_not_null NOT NULL,
    key_id text DEFAULT ''::text CONSTRAINT usage_key_id_not_null NOT NULL,
    user_id text DEFAULT ''::text CONSTRAINT usage_user_id_not_null NOT NULL,
    end_user_id text DEFAULT ''::text CONSTRAINT usage_end_user_id_not_null NOT NULL,
    model text DEFAULT ''::text CONSTRAINT usage_model_not_null NOT NULL,
    admission text CONSTRAINT usage_admission_not_null NOT NULL,
    input_tokens bigint DEFAULT 0 CONSTRAINT usage_input_tokens_not_null NOT NULL,
    output_tokens bigint DEFAULT 0 CONSTRAINT usage_output_tokens_not_null NOT NULL,
    cached_tokens bigint DEFAULT 0 CONSTRAINT usage_cached_tokens_not_null NOT NULL,
    reasoning_tokens bigint DEFAULT 0 CONSTRAINT usage_reasoning_tokens_not_null NOT NULL,
    reserved_tokens bigint DEFAULT 0 CONSTRAINT usage_reserved_tokens_not_null NOT NULL,
    usage_source text CONSTRAINT usage_usage_source_not_null NOT NULL,
    status integer DEFAULT 0 CONSTRAINT usage_status_not_null NOT NULL,
    denied_by text DEFAULT ''::text CONSTRAINT usage_denied_by_not_null NOT NULL,
    streamed boolean DEFAULT false CONSTRAINT usage_streamed_not_null NOT NULL,
    aborted boolean DEFAULT false CONSTRAINT usage_aborted_not_null NOT NULL,
    method text DEFAULT ''::text CONSTRAINT usage_method_not_null NOT NULL,
    path text DEFAULT ''::text CONSTRAINT usage_path_not_null NOT NULL,
    total_ms bigint DEFAULT 0 CONSTRAINT usage_total_ms_not_null NOT NULL,
    ttft_ms bigint,
    queue_ms bigint DEFAULT 0 CONSTRAINT usage_queue_ms_not_null NOT NULL,
    bytes_in bigint DEFAULT 0 CONSTRAINT usage_bytes_in_not_null NOT NULL,
    bytes_out bigint DEFAULT 0 CONSTRAINT usage_bytes_out_not_null NOT NULL,
    input_cost numeric(30,10) DEFAULT 0 CONSTRAINT usage_input_cost_not_null NOT NULL,
    cached_cost numeric(30,10) DEFAULT 0 CONSTRAINT usage_cached_cost_not_null NOT NULL,
    output_cost numeric(30,10) DEFAULT 0 CONSTRAINT usage_output_cost_not_null NOT NULL
);


--
-- Name: usage_horizon; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.usage_horizon (
    only_row boolean DEFAULT true NOT NULL,
    minutes_from timestamp with time zone NOT NULL,
    rows_from timestamp with time zone NOT NULL,
    CONSTRAINT usage_horizon_only_row_check CHECK (only_row)
);


--
-- Name: usage_marks; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.usage_marks (
    id bigint NOT NULL,
    width integer NOT NULL,
    bucket timestamp with time zone NOT NULL
)
WITH (autovacuum_vacuum_scale_factor='0', autovacuum_vacuum_threshold='5000');


--
-- Name: usage_marks_id_seq; Type: SEQUENCE; Schema: public; Owner: -
--

ALTER TABLE public.usage_marks ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.usage_marks_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);


--
-- Name: usage_rollups; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.usage_rollups (
    width integer NOT NULL,
    grain smallint NOT NULL,
    bucket timestamp with time zone NOT NULL,
    tenant_id text NOT NULL,
    key_id text NOT NULL,
    user_id text NOT NULL,
    model text NOT NULL,
    admission text NOT NULL,
    rows bigint NOT NULL,
    errors bigint NOT NULL,
    cache_hits bigint NOT NULL,
    input_tokens bigint NOT NULL,
    output_tokens bigint NOT NULL,
    cached_tokens bigint NOT NULL,
    reasoning_tokens bigint NOT NULL,
    reserved_tokens bigint NOT NULL,
    total_ms bigint NOT NULL,
    input_cost numeric NOT NULL,
    cached_cost numeric NOT NULL,
    output_cost numeric NOT NULL
)
PARTITION BY LIST (width);


--
-- Name: usage_rollups_day; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.usage_rollups_day (
    width integer CONSTRAINT usage_rollups_width_not_null NOT NULL,
    grain smallint CONSTRAINT usage_rollups_grain_not_null NOT NULL,
    bucket timestamp with time zone CONSTRAINT usage_rollups_bucket_not_null NOT NULL,
    tenant_id text CONSTRAINT usage_rollups_tenant_id_not_null NOT NULL,
    key_id text CONSTRAINT usage_rollups_key_id_not_null NOT NULL,
    user_id text CONSTRAINT usage_rollups_user_id_not_null NOT NULL,
    model text CONSTRAINT usage_rollups_model_not_null NOT NULL,
    admission text CONSTRAINT usage_rollups_admission_not_null NOT NULL,
    rows bigint CONSTRAINT usage_rollups_rows_not_null NOT NULL,
    errors bigint CONSTRAINT usage_rollups_errors_not_null NOT NULL,
    cache_hits bigint CONSTRAINT usage_rollups_cache_hits_not_null NOT NULL,
    input_tokens bigint CONSTRAINT usage_rollups_input_tokens_not_null NOT NULL,
    output_tokens bigint CONSTRAINT usage_rollups_output_tokens_not_null NOT NULL,
    cached_tokens bigint CONSTRAINT usage_rollups_cached_tokens_not_null NOT NULL,
    reasoning_tokens bigint CONSTRAINT usage_rollups_reasoning_tokens_not_null NOT NULL,
    reserved_tokens bigint CONSTRAINT usage_rollups_reserved_tokens_not_null NOT NULL,
    total_ms bigint CONSTRAINT usage_rollups_total_ms_not_null NOT NULL,
    input_cost numeric CONSTRAINT usage_rollups_input_cost_not_null NOT NULL,
    cached_cost numeric CONSTRAINT usage_rollups_cached_cost_not_null NOT NULL,
    output_cost numeric CONSTRAINT usage_rollups_output_cost_not_null NOT NULL
);


--
-- Name: usage_rollups_hour; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.usage_rollups_hour (
    width integer CONSTRAINT usage_rollups_width_not_null NOT NULL,
    grain smallint CONSTRAINT usage_rollups_grain_not_null NOT NULL,
    bucket timestamp with time zone CONSTRAINT usage_rollups_bucket_not_null NOT NULL,
    tenant_id text CONSTRAINT usage_rollups_tenant_id_not_null NOT NULL,
    key_id text CONSTRAINT usage_rollups_key_id_not_null NOT NULL,
    user_id text CONSTRAINT usage_rollups_user_id_not_null NOT NULL,
    model text CONSTRAINT usage_rollups_model_not_null NOT NULL,
    admission text CONSTRAINT usage_rollups_admission_not_null NOT NULL,
    rows bigint CONSTRAINT usage_rollups_rows_not_null NOT NULL,
    errors bigint CONSTRAINT usage_rollups_errors_not_null NOT NULL,
    cache_hits bigint CONSTRAINT usage_rollups_cache_hits_not_null NOT NULL,
    input_tokens bigint CONSTRAINT usage_rollups_input_tokens_not_null NOT NULL,
    output_tokens bigint CONSTRAINT usage_rollups_output_tokens_not_null NOT NULL,
    cached_tokens bigint CONSTRAINT usage_rollups_cached_tokens_not_null NOT NULL,
    reasoning_tokens bigint CONSTRAINT usage_rollups_reasoning_tokens_not_null NOT NULL,
    reserved_tokens bigint CONSTRAINT usage_rollups_reserved_tokens_not_null NOT NULL,
    total_ms bigint CONSTRAINT usage_rollups_total_ms_not_null NOT NULL,
    input_cost numeric CONSTRAINT usage_rollups_input_cost_not_null NOT NULL,
    cached_cost numeric CONSTRAINT usage_rollups_cached_cost_not_null NOT NULL,
    output_cost numeric CONSTRAINT usage_rollups_output_cost_not_null NOT NULL
);


--
-- Name: usage_rollups_minute; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.usage_rollups_minute (
    width integer CONSTRAINT usage_rollups_width_not_null NOT NULL,
    grain smallint CONSTRAINT usage_rollups_grain_not_null NOT NULL,
    bucket timestamp with time zone CONSTRAINT usage_rollups_bucket_not_null NOT NULL,
    tenant_id text CONSTRAINT usage_rollups_tenant_id_not_null NOT NULL,
    key_id text CONSTRAINT usage_rollups_key_id_not_null NOT NULL,
    user_id text CONSTRAINT usage_rollups_user_id_not_null NOT NULL,
    model text CONSTRAINT usage_rollups_model_not_null NOT NULL,
    admission text CONSTRAINT usage_rollups_admission_not_null NOT NULL,
    rows bigint CONSTRAINT usage_rollups_rows_not_null NOT NULL,
    errors bigint CONSTRAINT usage_rollups_errors_not_null NOT NULL,
    cache_hits bigint CONSTRAINT usage_rollups_cache_hits_not_null NOT NULL,
    input_tokens bigint CONSTRAINT usage_rollups_input_tokens_not_null NOT NULL,
    output_tokens bigint CONSTRAINT usage_rollups_output_tokens_not_null NOT NULL,
    cached_tokens bigint CONSTRAINT usage_rollups_cached_tokens_not_null NOT NULL,
    reasoning_tokens bigint CONSTRAINT usage_rollups_reasoning_tokens_not_null NOT NULL,
    reserved_tokens bigint CONSTRAINT usage_rollups_reserved_tokens_not_null NOT NULL,
    total_ms bigint CONSTRAINT usage_rollups_total_ms_not_null NOT NULL,
    input_cost numeric CONSTRAINT usage_rollups_input_cost_not_null NOT NULL,
    cached_cost numeric CONSTRAINT usage_rollups_cached_cost_not_null NOT NULL,
    output_cost numeric CONSTRAINT usage_rollups_output_cost_not_null NOT NULL
);


--
-- Name: users; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.users (
    tenant_id text NOT NULL,
    id text NOT NULL,
    email text DEFAULT ''::text NOT NULL,
    tokens_per_minute bigint,
    requests_per_minute bigint,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT users_id_check CHECK ((id ~ '^[A-Za-z0-9][A-Za-z0-9_.@-]{0,127}$'::text)),
    CONSTRAINT users_requests_per_minute_check CHECK ((requests_per_minute > 0)),
    CONSTRAINT users_tokens_per_minute_check CHECK ((tokens_per_minute > 0))
);


--
-- Name: usage_2026_10; Type: TABLE ATTACH; Schema: public; Owner: -
--

ALTER TABLE ONLY public.usage ATTACH PARTITION public.usage_2026_10 FOR VALUES FROM ('2026-10-01 00:00:00+00') TO ('2026-11-01 00:00:00+00');


--
-- Name: usage_2026_11; Type: TABLE ATTACH; Schema: public; Owner: -
--

ALTER TABLE ONLY public.usage ATTACH PARTITION public.usage_2026_11 FOR VALUES FROM ('2026-11-01 00:00:00+00') TO ('2026-12-01 00:00:00+00');


--
-- Name: usage_2026_12; Type: TABLE ATTACH; Schema: public; Owner: -
--

ALTER TABLE ONLY public.usage ATTACH PARTITION public.usage_2026_12 FOR VALUES FROM ('2026-12-01 00:00:00+00') TO ('2027-01-01 00:00:00+00');


--
-- Name: usage_rollups_day; Type: TABLE ATTACH; Schema: public; Owner: -
--

ALTER TABLE ONLY public.usage_rollups ATTACH PARTITION public.usage_rollups_day FOR VALUES IN (86400);


--
-- Name: usage_rollups_hour; Type: TABLE ATTACH; Schema: public; Owner: -
--

ALTER TABLE ONLY public.usage_rollups ATTACH PARTITION public.usage_rollups_hour FOR VALUES IN (3600);


--
-- Name: usage_rollups_minute; Type: TABLE ATTACH; Schema: public; Owner: -
--

ALTER TABLE ONLY public.usage_rollups ATTACH PARTITION public.usage_rollups_minute FOR VALUES IN (60);


--
-- Data for Name: admin_tokens; Type: TABLE DATA; Schema: public; Owner: -
--

COPY public.admin_tokens (id, name, role, token_hash, token_prefix, expires_at, created_at, updated_at) FROM stdin;
\.


--
-- Data for Name: api_keys; Type: TABLE DATA; Schema: public; Owner: -
--

COPY public.api_keys (id, tenant_id, user_id, name, key_hash, key_prefix, disabled, models_allowed, tokens_per_minute, requests_per_minute, expires_at, created_at, updated_at, last_used_at) FROM stdin;
3f570108-99fc-466e-8d44-aea36105136c	07e7610f-4717-4514-b3ec-b1c07edf431f	\N	off	3424934b8872c4ee123dc2d993eff18bdc50c236f66037486770d977178b1545	sk_eb22e3778527515	t	\N	\N	\N	\N	2026-11-27 05:43:39.735974+00	2026-11-27 05:43:39.835668+00	\N
4fa6ef0a-02ec-46af-84c9-c9175ed1d213	07e7610f-4717-4514-b3ec-b1c07edf431f	ann	app	8946cd35bc00c86068a1a2eacea7cd1bae8ee29cb8dbeb767fd6abae76064c28	sk_9d52d60105181ce	f	\N	\N	\N	\N	2026-11-27 05:43:39.494077+00	2026-11-27 05:43:39.637164+00	2026-11-27 05:44:19.13+00
\.


--
-- Data for Name: audit_log; Type: TABLE DATA; Schema: public; Owner: -
--

COPY public.audit_log (id, ts, actor, action, target_type, target_id, before, after, source, request_id) FROM stdin;
1	2026-11-27 05:43:38.873188+00	admin	create_model	model	ea63048c-c240-42e0-ab47-1132f65cd06f	\N	{"id": "ea63048c-c240-42e0-ab47-1132f65cd06f", "name": "mock-model", "cache": {"enabled": false, "ttl_seconds": 300}, "weight": 100, "enabled": true, "endpoint": null, "created_at": "2026-11-27T05:43:38.873188+00:00", "updated_at": "2026-11-27T05:43:38.873188+00:00", "input_price": "2.50000001", "cached_price": "0.30000003", "output_price": "10.00000001", "max_in_flight": null, "upstream_name": null, "context_window": null}	127.0.0.1	19648bc5-f299-47fe-9abb-8dd7657e304e
2	2026-11-27 05:43:39.026531+00	admin	create_model	model	759a4814-7c57-48ed-af5e-121a6ecd98aa	\N	{"id": "759a4814-7c57-48ed-af5e-121a6ecd98aa", "name": "free-model", "cache": {"enabled": false, "ttl_seconds": 300}, "weight": 100, "enabled": true, "endpoint": null, "created_at": "2026-11-27T05:43:39.026531+00:00", "updated_at": "2026-11-27T05:43:39.026531+00:00", "input_price": null, "cached_price": null, "output_price": null, "max_in_flight": null, "upstream_name": null, "context_window": null}	127.0.0.1	33852635-9760-4f88-84f0-c0e1d327180c
3	2026-11-27 05:43:39.126438+00	admin	create_tenant	tenant	07e7610f-4717-4514-b3ec-b1c07edf431f	\N	{"id": "07e7610f-4717-4514-b3ec-b1c07edf431f", "name": "acme", "policy": null, "status": "active", "weight": 100, "version": 1, "metadata": {}, "created_at": "2026-11-27T05:43:39.126438+00:00", "updated_at": "2026-11-27T05:43:39.126438+00:00", "max_in_flight": null, "fairshare_group": "default", "tokens_per_minute": null, "requests_per_minute": 1000000}	127.0.0.1	4b7f64ca-1361-475e-8a2e-17c6ed8c916d
4	2026-11-27 05:43:39.19135+00	admin	create_user	user	07e7610f-4717-4514-b3ec-b1c07edf431f/ann	\N	{"id": "ann", "email": "ann@example.com", "tenant_id": "07e7610f-4717-4514-b3ec-b1c07edf431f", "created_at": "2026-11-27T05:43:39.191350+00:00", "tokens_per_minute": null, "requests_per_minute": null}	127.0.0.1	d4328ece-20b8-45b6-8908-0cb3d4dc6fbc
5	2026-11-27 05:43:39.264957+00	admin	create_limit	limit	lim_ed1966c063bd377f	\N	{"id": "lim_ed1966c063bd377f", "kind": "bucket", "name": "tokens", "unit": "tokens", "model": null, "scope": "tenant", "amount": 5000000, "key_id": null, "shadow": false, "user_id": null, "calendar": null, "tenant_id": "07e7610f-4717-4514-b3ec-b1c07edf431f", "time_zone": "UTC", "created_at": "2026-11-27T05:43:39.264957+00:00", "updated_at": "2026-11-27T05:43:39.264957+00:00", "cached_weight": 100, "window_seconds": 31622400, "fairshare_group": null, "reasoning_weight": 100}	127.0.0.1	a5cd31cd-1b2a-494e-9ef3-fcdf84a5b1e6
6	2026-11-27 05:43:39.326771+00	admin	create_limit	limit	lim_d4225db3624ae58c	\N	{"id": "lim_d4225db3624ae58c", "kind": "fixed_window", "name": "output", "unit": "output_tokens", "model": null, "scope": "tenant", "amount": 500000, "key_id": null, "shadow": false, "user_id": null, "calendar": null, "tenant_id": "07e7610f-4717-4514-b3ec-b1c07edf431f", "time_zone": "UTC", "created_at": "2026-11-27T05:43:39.326771+00:00", "updated_at": "2026-11-27T05:43:39.326771+00:00", "cached_weight": 100, "window_seconds": 31622400, "fairshare_group": null, "reasoning_weight": 100}	127.0.0.1	1dfe7604-871a-475c-89bd-1f1155f950c8
7	2026-11-27 05:43:39.368212+00	admin	create_limit	limit	lim_93f53cc0a9fc89d7	\N	{"id": "lim_93f53cc0a9fc89d7", "kind": "sliding_window", "name": "count", "unit": "requests", "model": null, "scope": "tenant", "amount": 10000, "key_id": null, "shadow": false, "user_id": null, "calendar": null, "tenant_id": "07e7610f-4717-4514-b3ec-b1c07edf431f", "time_zone": "UTC", "created_at": "2026-11-27T05:43:39.368212+00:00", "updated_at": "2026-11-27T05:43:39.368212+00:00", "cached_weight": 100, "window_seconds": 31622400, "fairshare_group": null, "reasoning_weight": 100}	127.0.0.1	1367f091-44d2-4f9a-aaba-233ede6edddb
8	2026-11-27 05:43:39.415971+00	admin	create_limit	limit	lim_a55487256f7ede8d	\N	{"id": "lim_a55487256f7ede8d", "kind": "fixed_window", "name": "spend", "unit": "cost", "model": null, "scope": "tenant", "amount": 250000000, "key_id": null, "shadow": false, "user_id": null, "calendar": null, "tenant_id": "07e7610f-4717-4514-b3ec-b1c07edf431f", "time_zone": "UTC", "created_at": "2026-11-27T05:43:39.415971+00:00", "updated_at": "2026-11-27T05:43:39.415971+00:00", "cached_weight": 100, "window_seconds": 31622400, "fairshare_group": null, "reasoning_weight": 100}	127.0.0.1	8355565f-e252-4774-ba03-e399a0892067
9	2026-11-27 05:43:39.46252+00	admin	create_limit	limit	lim_dcf71e09c0b2cdde	\N	{"id": "lim_dcf71e09c0b2cdde", "kind": "fixed_window", "name": "calendar", "unit": "tokens", "model": null, "scope": "tenant", "amount": 5000000, "key_id": null, "shadow": false, "user_id": null, "calendar": "month", "tenant_id": "07e7610f-4717-4514-b3ec-b1c07edf431f", "time_zone": "Europe/Berlin", "created_at": "2026-11-27T05:43:39.462520+00:00", "updated_at": "2026-11-27T05:43:39.462520+00:00", "cached_weight": 100, "window_seconds": 2592000, "fairshare_group": null, "reasoning_weight": 100}	127.0.0.1	cbf04a4c-5c7a-4af9-821e-eb17d27b244a
10	2026-11-27 05:43:39.494077+00	admin	create_api_key	api_key	4fa6ef0a-02ec-46af-84c9-c9175ed1d213	\N	{"id": "4fa6ef0a-02ec-46af-84c9-c9175ed1d213", "name": "app", "user_id": "ann", "disabled": false, "tenant_id": "07e7610f-4717-4514-b3ec-b1c07edf431f", "created_at": "2026-11-27T05:43:39.494077+00:00", "expires_at": null, "key_prefix": "sk_5c8f67e5f5ac51d", "updated_at": "2026-11-27T05:43:39.494077+00:00", "last_used_at": null, "overlap_until": null, "models_allowed": null, "tokens_per_minute": null, "requests_per_minute": null}	127.0.0.1	206a64f7-90b3-4636-a1c5-344e78371744
11	2026-11-27 05:43:39.637164+00	admin	rotate_api_key	api_key	4fa6ef0a-02ec-46af-84c9-c9175ed1d213	{"id": "4fa6ef0a-02ec-46af-84c9-c9175ed1d213", "name": "app", "user_id": "ann", "disabled": false, "tenant_id": "07e7610f-4717-4514-b3ec-b1c07edf431f", "created_at": "2026-11-27T05:43:39.494077+00:00", "expires_at": null, "key_prefix": "sk_5c8f67e5f5ac51d", "updated_at": "2026-11-27T05:43:39.494077+00:00", "last_used_at": null, "overlap_until": null, "models_allowed": null, "tokens_per_minute": null, "requests_per_minute": null}	{"id": "4fa6ef0a-02ec-46af-84c9-c9175ed1d213", "name": "app", "user_id": "ann", "disabled": false, "tenant_id": "07e7610f-4717-4514-b3ec-b1c07edf431f", "created_at": "2026-11-27T05:43:39.494077+00:00", "expires_at": null, "key_prefix": "sk_9d52d60105181ce", "updated_at": "2026-11-27T05:43:39.637164+00:00", "last_used_at": null, "overlap_until": "2026-12-27T05:43:39.637164+00:00", "models_allowed": null, "tokens_per_minute": null, "requests_per_minute": null}	127.0.0.1	4e660be6-6d88-487b-8e7a-124cc6938ccc
12	2026-11-27 05:43:39.735974+00	admin	create_api_key	api_key	3f570108-99fc-466e-8d44-aea36105136c	\N	{"id": "3f570108-99fc-466e-8d44-aea36105136c", "name": "off", "user_id": null, "disabled": false, "tenant_id": "07e7610f-4717-4514-b3ec-b1c07edf431f", "created_at": "2026-11-27T05:43:39.735974+00:00", "expires_at": null, "key_prefix": "sk_eb22e3778527515", "updated_at": "2026-11-27T05:43:39.735974+00:00", "last_used_at": null, "overlap_until": null, "models_allowed": null, "tokens_per_minute": null, "requests_per_minute": null}	127.0.0.1	8a2889ef-dc8c-4b26-a88b-8d43c84f00bd
13	2026-11-27 05:43:39.835668+00	admin	disable_api_key	api_key	3f570108-99fc-466e-8d44-aea36105136c	{"id": "3f570108-99fc-466e-8d44-aea36105136c", "name": "off", "user_id": null, "disabled": false, "tenant_id": "07e7610f-4717-4514-b3ec-b1c07edf431f", "created_at": "2026-11-27T05:43:39.735974+00:00", "expires_at": null, "key_prefix": "sk_eb22e3778527515", "updated_at": "2026-11-27T05:43:39.735974+00:00", "last_used_at": null, "overlap_until": null, "models_allowed": null, "tokens_per_minute": null, "requests_per_minute": null}	{"id": "3f570108-99fc-466e-8d44-aea36105136c", "name": "off", "user_id": null, "disabled": true, "tenant_id": "07e7610f-4717-4514-b3ec-b1c07edf431f", "created_at": "2026-11-27T05:43:39.735974+00:00", "expires_at": null, "key_prefix": "sk_eb22e3778527515", "updated_at": "2026-11-27T05:43:39.835668+00:00", "last_used_at": null, "overlap_until": null, "models_allowed": null, "tokens_per_minute": null, "requests_per_minute": null}	127.0.0.1	0f0763ab-7a6e-498b-ac78-38a22f95a113
14	2026-11-27 05:43:39.943755+00	admin	update_capacity	capacity	all	{"version": 1, "updated_at": "2026-11-27T05:43:32.417537+00:00", "max_in_flight": null, "max_in_flight_total": null}	{"version": 2, "updated_at": "2026-11-27T05:43:39.943755+00:00", "max_in_flight": 500, "max_in_flight_total": null}	127.0.0.1	f4f370ff-e3dd-41c3-a782-e6678b7799e9
15	2026-11-27 05:44:22.871744+00	admin	adjust_budget	tenant	07e7610f-4717-4514-b3ec-b1c07edf431f	{"used": 516000, "budget": "lim_ed1966c063bd377f"}	{"budget": "lim_ed1966c063bd377f", "given_back": -777}	127.0.0.1	4f6568ad-f3c4-48c7-af3b-0adc0d93097b
\.


--
-- Data for Name: fairshare_groups; Type: TABLE DATA; Schema: public; Owner: -
--

COPY public.fairshare_groups (name, weight, created_at, updated_at) FROM stdin;
default	100	2026-11-27 05:43:31.885962+00	2026-11-27 05:43:31.885962+00
\.


--
-- Data for Name: idempotency_keys; Type: TABLE DATA; Schema: public; Owner: -
--

COPY public.idempotency_keys (actor, idempotency_key, fingerprint, target_type, target_id, response, ts) FROM stdin;
admin	once	db95eaaca8125ef509fdaa21be0ec1f3c7ed9cace6a1c7dd726b15e4199ab399	tenant	07e7610f-4717-4514-b3ec-b1c07edf431f	{"kind": "bucket", "unit": "tokens", "used": 516777, "limit": "tokens", "scope": "tenant", "amount": 5000000, "budget": "lim_ed1966c063bd377f", "shadow": false, "subject": "", "calendar": null, "limit_id": "lim_ed1966c063bd377f", "reset_at": "2027-01-04T01:36:44Z", "remaining": 4483223, "time_zone": "UTC", "window_seconds": 31622400, "would_have_refused": 0}	2026-11-27 05:44:22.871744+00
\.


--
-- Data for Name: limits; Type: TABLE DATA; Schema: public; Owner: -
--

COPY public.limits (id, name, scope, tenant_id, key_id, user_id, model, fairshare_group, unit, amount, kind, window_seconds, calendar, time_zone, cached_weight, reasoning_weight, shadow, created_at, updated_at) FROM stdin;
lim_ed1966c063bd377f	tokens	tenant	07e7610f-4717-4514-b3ec-b1c07edf431f	\N	\N	\N	\N	tokens	5000000	bucket	31622400	\N	UTC	100	100	f	2026-11-27 05:43:39.264957+00	2026-11-27 05:43:39.264957+00
lim_d4225db3624ae58c	output	tenant	07e7610f-4717-4514-b3ec-b1c07edf431f	\N	\N	\N	\N	output_tokens	500000	fixed_window	31622400	\N	UTC	100	100	f	2026-11-27 05:43:39.326771+00	2026-11-27 05:43:39.326771+00
lim_93f53cc0a9fc89d7	count	tenant	07e7610f-4717-4514-b3ec-b1c07edf431f	\N	\N	\N	\N	requests	10000	sliding_window	31622400	\N	UTC	100	100	f	2026-11-27 05:43:39.368212+00	2026-11-27 05:43:39.368212+00
lim_a55487256f7ede8d	spend	tenant	07e7610f-4717-4514-b3ec-b1c07edf431f	\N	\N	\N	\N	cost	250000000	fixed_window	31622400	\N	UTC	100	100	f	2026-11-27 05:43:39.415971+00	2026-11-27 05:43:39.415971+00
lim_dcf71e09c0b2cdde	calendar	tenant	07e7610f-4717-4514-b3ec-b1c07edf431f	\N	\N	\N	\N	tokens	5000000	fixed_window	2592000	month	Europe/Berlin	100	100	f	2026-11-27 05:43:39.46252+00	2026-11-27 05:43:39.46252+00
\.


--
-- Data for Name: mcp_servers; Type: TABLE DATA; Schema: public; Owner: -
--

COPY public.mcp_servers (id, name, url, description, headers, enabled, created_at, updated_at) FROM stdin;
\.


--
-- Data for Name: model_catalog; Type: TABLE DATA; Schema: public; Owner: -
--

COPY public.model_catalog (only_row, version) FROM stdin;
t	3
\.


--
-- Data for Name: models; Type: TABLE DATA; Schema: public; Owner: -
--

COPY public.models (id, name, enabled, created_at, updated_at, upstream_name, endpoint, input_price, output_price, cached_price, context_window, weight, max_in_flight, cache_enabled, cache_ttl_seconds) FROM stdin;
ea63048c-c240-42e0-ab47-1132f65cd06f	mock-model	t	2026-11-27 05:43:38.873188+00	2026-11-27 05:43:38.873188+00	\N	\N	2.50000001	10.00000001	0.30000003	\N	100	\N	f	300
759a4814-7c57-48ed-af5e-121a6ecd98aa	free-model	t	2026-11-27 05:43:39.026531+00	2026-11-27 05:43:39.026531+00	\N	\N	\N	\N	\N	\N	100	\N	f	300
\.


--
-- Data for Name: policies; Type: TABLE DATA; Schema: public; Owner: -
--

COPY public.policies (name, description, limits, created_at, updated_at) FROM stdin;
\.


--
-- Data for Name: redis_outbox; Type: TABLE DATA; Schema: public; Owner: -
--

COPY public.redis_outbox (id, key_hash, version, ts) FROM stdin;
\.


--
-- Data for Name: retired_secrets; Type: TABLE DATA; Schema: public; Owner: -
--

COPY public.retired_secrets (key_hash, key_id, key_prefix, expires_at, created_at) FROM stdin;
57cf5fab328c501c1cd980448745ec4c5cc678393e425e8b796e10ab31c94471	4fa6ef0a-02ec-46af-84c9-c9175ed1d213	sk_5c8f67e5f5ac51d	2026-12-27 05:43:39.637164+00	2026-11-27 05:43:39.637164+00
\.


--
-- Data for Name: runtime_settings; Type: TABLE DATA; Schema: public; Owner: -
--

COPY public.runtime_settings (only_row, max_in_flight, max_in_flight_total, version, updated_at) FROM stdin;
t	500	\N	2	2026-11-27 05:43:39.943755+00
\.


--
-- Data for Name: schema_migrations; Type: TABLE DATA; Schema: public; Owner: -
--

COPY public.schema_migrations (name, applied_at) FROM stdin;
0001_tenancy	2026-11-27 05:43:31.885962+00
0002_usage	2026-11-27 05:43:32.077977+00
0003_limits	2026-11-27 05:43:32.097503+00
0004_resources	2026-11-27 05:43:32.145542+00
0005_rollups	2026-11-27 05:43:32.3136+00
0006_runtime	2026-11-27 05:43:32.417537+00
\.


--
-- Data for Name: tenants; Type: TABLE DATA; Schema: public; Owner: -
--

COPY public.tenants (id, name, fairshare_group, weight, tokens_per_minute, requests_per_minute, max_in_flight, version, created_at, updated_at, status, policy, metadata) FROM stdin;
07e7610f-4717-4514-b3ec-b1c07edf431f	acme	default	100	\N	1000000	\N	11	2026-11-27 05:43:39.126438+00	2026-11-27 05:43:39.126438+00	active	\N	{}
\.


--
-- Data for Name: usage_2026_10; Type: TABLE DATA; Schema: public; Owner: -
--

COPY public.usage_2026_10 (id, ts, request_id, tenant_id, key_id, user_id, end_user_id, model, admission, input_tokens, output_tokens, cached_tokens, reasoning_tokens, reserved_tokens, usage_source, status, denied_by, streamed, aborted, method, path, total_ms, ttft_ms, queue_ms, bytes_in, bytes_out, input_cost, cached_cost, output_cost) FROM stdin;
01a14d89-a3d1-711b-b05f-c242caa62fa8	2026-10-18 05:43:48.433+00	req-1	07e7610f-4717-4514-b3ec-b1c07edf431f	4fa6ef0a-02ec-46af-84c9-c9175ed1d213	ann		free-model	fast	123400	5600	100000	0	100	reported	200		f	f	POST	/v1/chat/completions	45	12	0	180	640	0.0000000000	0.0000000000	0.0000000000
\.


--
-- Data for Name: usage_2026_11; Type: TABLE DATA; Schema: public; Owner: -
--

COPY public.usage_2026_11 (id, ts, request_id, tenant_id, key_id, user_id, end_user_id, model, admission, input_tokens, output_tokens, cached_tokens, reasoning_tokens, reserved_tokens, usage_source, status, denied_by, streamed, aborted, method, path, total_ms, ttft_ms, queue_ms, bytes_in, bytes_out, input_cost, cached_cost, output_cost) FROM stdin;
01a21ae3-3851-7934-8bce-bffea41c4204	2026-11-27 02:43:48.433+00	req-1	07e7610f-4717-4514-b3ec-b1c07edf431f	4fa6ef0a-02ec-46af-84c9-c9175ed1d213	ann		mock-model	fast	740400	33600	600000	0	100	reported	200		f	f	POST	/v1/chat/completions	45	12	0	180	640	0.3510000014	0.1800000180	0.3360000003
01a2162a-b951-7f4f-839d-006c8f19433f	2026-11-26 04:43:48.433+00	req-1	07e7610f-4717-4514-b3ec-b1c07edf431f	4fa6ef0a-02ec-46af-84c9-c9175ed1d213	ann		mock-model	fast	617000	28000	500000	0	100	reported	200		f	f	POST	/v1/chat/completions	45	12	0	180	640	0.2925000012	0.1500000150	0.2800000003
01a20c14-efd1-7864-b2ea-761bc8dccd1e	2026-11-24 05:43:48.433+00	req-1	07e7610f-4717-4514-b3ec-b1c07edf431f	4fa6ef0a-02ec-46af-84c9-c9175ed1d213	ann		mock-model	fast	370200	16800	300000	0	100	reported	200		f	f	POST	/v1/chat/completions	45	12	0	180	640	0.1755000007	0.0900000090	0.1680000002
01a20bde-0151-712d-87c5-0d54323b43bf	2026-11-24 04:43:48.433+00	req-1	07e7610f-4717-4514-b3ec-b1c07edf431f	4fa6ef0a-02ec-46af-84c9-c9175ed1d213	ann		mock-model	fast	246800	11200	200000	0	100	reported	200		f	f	POST	/v1/chat/completions	45	12	0	180	640	0.1170000005	0.0600000060	0.1120000001
01a21b1a-26d1-7271-a140-368e7b83df11	2026-11-27 03:43:48.433+00	req-1	07e7610f-4717-4514-b3ec-b1c07edf431f	4fa6ef0a-02ec-46af-84c9-c9175ed1d213	ann		free-model	fast	863800	39200	700000	0	100	reported	200		f	f	POST	/v1/chat/completions	45	12	0	180	640	0.0000000000	0.0000000000	0.0000000000
01a215f3-cad1-77a3-aca8-e1c6b02d700c	2026-11-26 03:43:48.433+00	req-1	07e7610f-4717-4514-b3ec-b1c07edf431f	4fa6ef0a-02ec-46af-84c9-c9175ed1d213	ann		free-model	fast	493600	22400	400000	0	100	reported	200		f	f	POST	/v1/chat/completions	45	12	0	180	640	0.0000000000	0.0000000000	0.0000000000
01a21b88-7bba-746f-851f-678ab7415f6d	2026-11-27 05:44:19.13+00	req-1	07e7610f-4717-4514-b3ec-b1c07edf431f	4fa6ef0a-02ec-46af-84c9-c9175ed1d213	ann		mock-model	unmetered	123400	5600	100000	0	200	reported	200		f	f	POST	/v1/chat/completions	45	12	0	180	640	0.0585000002	0.0300000030	0.0560000001
01a21b88-7bb1-7272-a8e4-5ea592eb3a33	2026-11-27 05:44:19.121+00	req-1	07e7610f-4717-4514-b3ec-b1c07edf431f	4fa6ef0a-02ec-46af-84c9-c9175ed1d213	ann		mock-model	refused	0	0	0	0	0	none	429	tokens	f	f	POST	/v1/chat/completions	45	12	0	180	640	0.0000000000	0.0000000000	0.0000000000
01a21b88-7ba8-7d70-82fa-04434ecb2a37	2026-11-27 05:44:19.112+00	req-1	07e7610f-4717-4514-b3ec-b1c07edf431f	4fa6ef0a-02ec-46af-84c9-c9175ed1d213	ann		mock-model	fast	123400	5600	100000	0	200	reported	200		f	f	POST	/v1/chat/completions	45	12	0	180	640	0.0585000002	0.0300000030	0.0560000001
01a21b88-7b9f-74af-b3a4-0bab560c4e1a	2026-11-27 05:44:19.103+00	req-1	07e7610f-4717-4514-b3ec-b1c07edf431f	4fa6ef0a-02ec-46af-84c9-c9175ed1d213	ann		mock-model	fast	123400	5600	100000	0	200	reported	200		f	f	POST	/v1/chat/completions	45	12	0	180	640	0.0585000002	0.0300000030	0.0560000001
01a21b88-7b7f-724f-93a2-464d85a09914	2026-11-27 05:44:19.071+00	req-1	07e7610f-4717-4514-b3ec-b1c07edf431f	4fa6ef0a-02ec-46af-84c9-c9175ed1d213	ann		mock-model	fast	123400	5600	100000	0	200	reported	200		f	f	POST	/v1/chat/completions	45	12	0	180	640	0.0585000002	0.0300000030	0.0560000001
\.


--
-- Data for Name: usage_2026_12; Type: TABLE DATA; Schema: public; Owner: -
--

COPY public.usage_2026_12 (id, ts, request_id, tenant_id, key_id, user_id, end_user_id, model, admission, input_tokens, output_tokens, cached_tokens, reasoning_tokens, reserved_tokens, usage_source, status, denied_by, streamed, aborted, method, path, total_ms, ttft_ms, queue_ms, bytes_in, bytes_out, input_cost, cached_cost, output_cost) FROM stdin;
\.


--
-- Data for Name: usage_horizon; Type: TABLE DATA; Schema: public; Owner: -
--

COPY public.usage_horizon (only_row, minutes_from, rows_from) FROM stdin;
t	2026-11-27 05:00:00+00	1970-01-01 00:00:00+00
\.


--
-- Data for Name: usage_marks; Type: TABLE DATA; Schema: public; Owner: -
--

COPY public.usage_marks (id, width, bucket) FROM stdin;
8	86400	2026-11-27 00:00:00+00
12	60	2026-11-27 05:44:00+00
\.


--
-- Data for Name: usage_rollups_day; Type: TABLE DATA; Schema: public; Owner: -
--

COPY public.usage_rollups_day (width, grain, bucket, tenant_id, key_id, user_id, model, admission, rows, errors, cache_hits, input_tokens, output_tokens, cached_tokens, reasoning_tokens, reserved_tokens, total_ms, input_cost, cached_cost, output_cost) FROM stdin;
86400	0	2026-11-26 00:00:00+00	07e7610f-4717-4514-b3ec-b1c07edf431f	4fa6ef0a-02ec-46af-84c9-c9175ed1d213	ann	free-model	fast	1	0	1	493600	22400	400000	0	100	45	0.0000000000	0.0000000000	0.0000000000
86400	1	2026-11-26 00:00:00+00	07e7610f-4717-4514-b3ec-b1c07edf431f			free-model	fast	1	0	1	493600	22400	400000	0	100	45	0.0000000000	0.0000000000	0.0000000000
86400	2	2026-11-26 00:00:00+00				free-model	fast	1	0	1	493600	22400	400000	0	100	45	0.0000000000	0.0000000000	0.0000000000
86400	0	2026-11-26 00:00:00+00	07e7610f-4717-4514-b3ec-b1c07edf431f	4fa6ef0a-02ec-46af-84c9-c9175ed1d213	ann	mock-model	fast	1	0	1	617000	28000	500000	0	100	45	0.2925000012	0.1500000150	0.2800000003
86400	1	2026-11-26 00:00:00+00	07e7610f-4717-4514-b3ec-b1c07edf431f			mock-model	fast	1	0	1	617000	28000	500000	0	100	45	0.2925000012	0.1500000150	0.2800000003
86400	2	2026-11-26 00:00:00+00				mock-model	fast	1	0	1	617000	28000	500000	0	100	45	0.2925000012	0.1500000150	0.2800000003
86400	3	2026-11-26 00:00:00+00	07e7610f-4717-4514-b3ec-b1c07edf431f	4fa6ef0a-02ec-46af-84c9-c9175ed1d213	ann		fast	2	0	2	1110600	50400	900000	0	200	90	0.2925000012	0.1500000150	0.2800000003
86400	0	2026-11-24 00:00:00+00	07e7610f-4717-4514-b3ec-b1c07edf431f	4fa6ef0a-02ec-46af-84c9-c9175ed1d213	ann	mock-model	fast	2	0	2	617000	28000	500000	0	200	90	0.2925000012	0.1500000150	0.2800000003
86400	1	2026-11-24 00:00:00+00	07e7610f-4717-4514-b3ec-b1c07edf431f			mock-model	fast	2	0	2	617000	28000	500000	0	200	90	0.2925000012	0.1500000150	0.2800000003
86400	2	2026-11-24 00:00:00+00				mock-model	fast	2	0	2	617000	28000	500000	0	200	90	0.2925000012	0.1500000150	0.2800000003
86400	3	2026-11-24 00:00:00+00	07e7610f-4717-4514-b3ec-b1c07edf431f	4fa6ef0a-02ec-46af-84c9-c9175ed1d213	ann		fast	2	0	2	617000	28000	500000	0	200	90	0.2925000012	0.1500000150	0.2800000003
86400	0	2026-10-18 00:00:00+00	07e7610f-4717-4514-b3ec-b1c07edf431f	4fa6ef0a-02ec-46af-84c9-c9175ed1d213	ann	free-model	fast	1	0	1	123400	5600	100000	0	100	45	0.0000000000	0.0000000000	0.0000000000
86400	1	2026-10-18 00:00:00+00	07e7610f-4717-4514-b3ec-b1c07edf431f			free-model	fast	1	0	1	123400	5600	100000	0	100	45	0.0000000000	0.0000000000	0.0000000000
86400	2	2026-10-18 00:00:00+00				free-model	fast	1	0	1	123400	5600	100000	0	100	45	0.0000000000	0.0000000000	0.0000000000
86400	3	2026-10-18 00:00:00+00	07e7610f-4717-4514-b3ec-b1c07edf431f	4fa6ef0a-02ec-46af-84c9-c9175ed1d213	ann		fast	1	0	1	123400	5600	100000	0	100	45	0.0000000000	0.0000000000	0.0000000000
\.


--
-- Data for Name: usage_rollups_hour; Type: TABLE DATA; Schema: public; Owner: -
--

COPY public.usage_rollups_hour (width, grain, bucket, tenant_id, key_id, user_id, model, admission, rows, errors, cache_hits, input_tokens, output_tokens, cached_tokens, reasoning_tokens, reserved_tokens, total_ms, input_cost, cached_cost, output_cost) FROM stdin;
3600	0	2026-11-27 03:00:00+00	07e7610f-4717-4514-b3ec-b1c07edf431f	4fa6ef0a-02ec-46af-84c9-c9175ed1d213	ann	free-model	fast	1	0	1	863800	39200	700000	0	100	45	0.0000000000	0.0000000000	0.0000000000
3600	1	2026-11-27 03:00:00+00	07e7610f-4717-4514-b3ec-b1c07edf431f			free-model	fast	1	0	1	863800	39200	700000	0	100	45	0.0000000000	0.0000000000	0.0000000000
3600	2	2026-11-27 03:00:00+00				free-model	fast	1	0	1	863800	39200	700000	0	100	45	0.0000000000	0.0000000000	0.0000000000
3600	3	2026-11-27 03:00:00+00	07e7610f-4717-4514-b3ec-b1c07edf431f	4fa6ef0a-02ec-46af-84c9-c9175ed1d213	ann		fast	1	0	1	863800	39200	700000	0	100	45	0.0000000000	0.0000000000	0.0000000000
3600	0	2026-11-27 02:00:00+00	07e7610f-4717-4514-b3ec-b1c07edf431f	4fa6ef0a-02ec-46af-84c9-c9175ed1d213	ann	mock-model	fast	1	0	1	740400	33600	600000	0	100	45	0.3510000014	0.1800000180	0.3360000003
3600	1	2026-11-27 02:00:00+00	07e7610f-4717-4514-b3ec-b1c07edf431f			mock-model	fast	1	0	1	740400	33600	600000	0	100	45	0.3510000014	0.1800000180	0.3360000003
3600	2	2026-11-27 02:00:00+00				mock-model	fast	1	0	1	740400	33600	600000	0	100	45	0.3510000014	0.1800000180	0.3360000003
3600	3	2026-11-27 02:00:00+00	07e7610f-4717-4514-b3ec-b1c07edf431f	4fa6ef0a-02ec-46af-84c9-c9175ed1d213	ann		fast	1	0	1	740400	33600	600000	0	100	45	0.3510000014	0.1800000180	0.3360000003
3600	0	2026-11-26 04:00:00+00	07e7610f-4717-4514-b3ec-b1c07edf431f	4fa6ef0a-02ec-46af-84c9-c9175ed1d213	ann	mock-model	fast	1	0	1	617000	28000	500000	0	100	45	0.2925000012	0.1500000150	0.2800000003
3600	1	2026-11-26 04:00:00+00	07e7610f-4717-4514-b3ec-b1c07edf431f			mock-model	fast	1	0	1	617000	28000	500000	0	100	45	0.2925000012	0.1500000150	0.2800000003
3600	2	2026-11-26 04:00:00+00				mock-model	fast	1	0	1	617000	28000	500000	0	100	45	0.2925000012	0.1500000150	0.2800000003
3600	3	2026-11-26 04:00:00+00	07e7610f-4717-4514-b3ec-b1c07edf431f	4fa6ef0a-02ec-46af-84c9-c9175ed1d213	ann		fast	1	0	1	617000	28000	500000	0	100	45	0.2925000012	0.1500000150	0.2800000003
3600	0	2026-11-26 03:00:00+00	07e7610f-4717-4514-b3ec-b1c07edf431f	4fa6ef0a-02ec-46af-84c9-c9175ed1d213	ann	free-model	fast	1	0	1	493600	22400	400000	0	100	45	0.0000000000	0.0000000000	0.0000000000
3600	1	2026-11-26 03:00:00+00	07e7610f-4717-4514-b3ec-b1c07edf431f			free-model	fast	1	0	1	493600	22400	400000	0	100	45	0.0000000000	0.0000000000	0.0000000000
3600	2	2026-11-26 03:00:00+00				free-model	fast	1	0	1	493600	22400	400000	0	100	45	0.0000000000	0.0000000000	0.0000000000
3600	3	2026-11-26 03:00:00+00	07e7610f-4717-4514-b3ec-b1c07edf431f	4fa6ef0a-02ec-46af-84c9-c9175ed1d213	ann		fast	1	0	1	493600	22400	400000	0	100	45	0.0000000000	0.0000000000	0.0000000000
3600	0	2026-11-24 05:00:00+00	07e7610f-4717-4514-b3ec-b1c07edf431f	4fa6ef0a-02ec-46af-84c9-c9175ed1d213	ann	mock-model	fast	1	0	1	370200	16800	300000	0	100	45	0.1755000007	0.0900000090	0.1680000002
3600	1	2026-11-24 05:00:00+00	07e7610f-4717-4514-b3ec-b1c07edf431f			mock-model	fast	1	0	1	370200	16800	300000	0	100	45	0.1755000007	0.0900000090	0.1680000002
3600	2	2026-11-24 05:00:00+00				mock-model	fast	1	0	1	370200	16800	300000	0	100	45	0.1755000007	0.0900000090	0.1680000002
3600	3	2026-11-24 05:00:00+00	07e7610f-4717-4514-b3ec-b1c07edf431f	4fa6ef0a-02ec-46af-84c9-c9175ed1d213	ann		fast	1	0	1	370200	16800	300000	0	100	45	0.1755000007	0.0900000090	0.1680000002
3600	0	2026-11-24 04:00:00+00	07e7610f-4717-4514-b3ec-b1c07edf431f	4fa6ef0a-02ec-46af-84c9-c9175ed1d213	ann	mock-model	fast	1	0	1	246800	11200	200000	0	100	45	0.1170000005	0.0600000060	0.1120000001
3600	1	2026-11-24 04:00:00+00	07e7610f-4717-4514-b3ec-b1c07edf431f			mock-model	fast	1	0	1	246800	11200	200000	0	100	45	0.1170000005	0.0600000060	0.1120000001
3600	2	2026-11-24 04:00:00+00				mock-model	fast	1	0	1	246800	11200	200000	0	100	45	0.1170000005	0.0600000060	0.1120000001
3600	3	2026-11-24 04:00:00+00	07e7610f-4717-4514-b3ec-b1c07edf431f	4fa6ef0a-02ec-46af-84c9-c9175ed1d213	ann		fast	1	0	1	246800	11200	200000	0	100	45	0.1170000005	0.0600000060	0.1120000001
3600	0	2026-10-18 05:00:00+00	07e7610f-4717-4514-b3ec-b1c07edf431f	4fa6ef0a-02ec-46af-84c9-c9175ed1d213	ann	free-model	fast	1	0	1	123400	5600	100000	0	100	45	0.0000000000	0.0000000000	0.0000000000
3600	1	2026-10-18 05:00:00+00	07e7610f-4717-4514-b3ec-b1c07edf431f			free-model	fast	1	0	1	123400	5600	100000	0	100	45	0.0000000000	0.0000000000	0.0000000000
3600	2	2026-10-18 05:00:00+00				free-model	fast	1	0	1	123400	5600	100000	0	100	45	0.0000000000	0.0000000000	0.0000000000
3600	3	2026-10-18 05:00:00+00	07e7610f-4717-4514-b3ec-b1c07edf431f	4fa6ef0a-02ec-46af-84c9-c9175ed1d213	ann		fast	1	0	1	123400	5600	100000	0	100	45	0.0000000000	0.0000000000	0.0000000000
\.


--
-- Data for Name: usage_rollups_minute; Type: TABLE DATA; Schema: public; Owner: -
--

COPY public.usage_rollups_minute (width, grain, bucket, tenant_id, key_id, user_id, model, admission, rows, errors, cache_hits, input_tokens, output_tokens, cached_tokens, reasoning_tokens, reserved_tokens, total_ms, input_cost, cached_cost, output_cost) FROM stdin;
\.


--
-- Data for Name: users; Type: TABLE DATA; Schema: public; Owner: -
--

COPY public.users (tenant_id, id, email, tokens_per_minute, requests_per_minute, created_at) FROM stdin;
07e7610f-4717-4514-b3ec-b1c07edf431f	ann	ann@example.com	\N	\N	2026-11-27 05:43:39.19135+00
\.


--
-- Name: audit_log_id_seq; Type: SEQUENCE SET; Schema: public; Owner: -
--

SELECT pg_catalog.setval('public.audit_log_id_seq', 15, true);


--
-- Name: redis_outbox_id_seq; Type: SEQUENCE SET; Schema: public; Owner: -
--

SELECT pg_catalog.setval('public.redis_outbox_id_seq', 9, true);


--
-- Name: usage_marks_id_seq; Type: SEQUENCE SET; Schema: public; Owner: -
--

SELECT pg_catalog.setval('public.usage_marks_id_seq', 12, true);


--
-- Name: admin_tokens admin_tokens_name_key; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.admin_tokens
    ADD CONSTRAINT admin_tokens_name_key UNIQUE (name);


--
-- Name: admin_tokens admin_tokens_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.admin_tokens
    ADD CONSTRAINT admin_tokens_pkey PRIMARY KEY (id);


--
-- Name: admin_tokens admin_tokens_token_hash_key; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.admin_tokens
    ADD CONSTRAINT admin_tokens_token_hash_key UNIQUE (token_hash);


--
-- Name: api_keys api_keys_key_hash_key; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.api_keys
    ADD CONSTRAINT api_keys_key_hash_key UNIQUE (key_hash);


--
-- Name: api_keys api_keys_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.api_keys
    ADD CONSTRAINT api_keys_pkey PRIMARY KEY (id);


--
-- Name: audit_log audit_log_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.audit_log
    ADD CONSTRAINT audit_log_pkey PRIMARY KEY (id);


--
-- Name: fairshare_groups fairshare_groups_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.fairshare_groups
    ADD CONSTRAINT fairshare_groups_pkey PRIMARY KEY (name);


--
-- Name: idempotency_keys idempotency_keys_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.idempotency_keys
    ADD CONSTRAINT idempotency_keys_pkey PRIMARY KEY (actor, idempotency_key);


--
-- Name: limits limits_fairshare_group_name_key; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.limits
    ADD CONSTRAINT limits_fairshare_group_name_key UNIQUE (fairshare_group, name);


--
-- Name: limits limits_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.limits
    ADD CONSTRAINT limits_pkey PRIMARY KEY (id);


--
-- Name: limits limits_tenant_id_name_key; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.limits
    ADD CONSTRAINT limits_tenant_id_name_key UNIQUE (tenant_id, name);


--
-- Name: mcp_servers mcp_servers_name_key; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.mcp_servers
    ADD CONSTRAINT mcp_servers_name_key UNIQUE (name);


--
-- Name: mcp_servers mcp_servers_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.mcp_servers
    ADD CONSTRAINT mcp_servers_pkey PRIMARY KEY (id);


--
-- Name: model_catalog model_catalog_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.model_catalog
    ADD CONSTRAINT model_catalog_pkey PRIMARY KEY (only_row);


--
-- Name: models models_name_key; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.models
    ADD CONSTRAINT models_name_key UNIQUE (name);


--
-- Name: models models_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.models
    ADD CONSTRAINT models_pkey PRIMARY KEY (id);


--
-- Name: policies policies_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.policies
    ADD CONSTRAINT policies_pkey PRIMARY KEY (name);


--
-- Name: redis_outbox redis_outbox_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.redis_outbox
    ADD CONSTRAINT redis_outbox_pkey PRIMARY KEY (id);


--
-- Name: retired_secrets retired_secrets_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.retired_secrets
    ADD CONSTRAINT retired_secrets_pkey PRIMARY KEY (key_hash);


--
-- Name: runtime_settings runtime_settings_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.runtime_settings
    ADD CONSTRAINT runtime_settings_pkey PRIMARY KEY (only_row);


--
-- Name: schema_migrations schema_migrations_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.schema_migrations
    ADD CONSTRAINT schema_migrations_pkey PRIMARY KEY (name);


--
-- Name: tenants tenants_name_key; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.tenants
    ADD CONSTRAINT tenants_name_key UNIQUE (name);


--
-- Name: tenants tenants_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.tenants
    ADD CONSTRAINT tenants_pkey PRIMARY KEY (id);


--
-- Name: usage usage_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.usage
    ADD CONSTRAINT usage_pkey PRIMARY KEY (id, ts);


--
-- Name: usage_2026_10 usage_2026_10_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.usage_2026_10
    ADD CONSTRAINT usage_2026_10_pkey PRIMARY KEY (id, ts);


--
-- Name: usage_2026_11 usage_2026_11_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.usage_2026_11
    ADD CONSTRAINT usage_2026_11_pkey PRIMARY KEY (id, ts);


--
-- Name: usage_2026_12 usage_2026_12_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.usage_2026_12
    ADD CONSTRAINT usage_2026_12_pkey PRIMARY KEY (id, ts);


--
-- Name: usage_horizon usage_horizon_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.usage_horizon
    ADD CONSTRAINT usage_horizon_pkey PRIMARY KEY (only_row);


--
-- Name: usage_marks usage_marks_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.usage_marks
    ADD CONSTRAINT usage_marks_pkey PRIMARY KEY (id);


--
-- Name: users users_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.users
    ADD CONSTRAINT users_pkey PRIMARY KEY (tenant_id, id);


--
-- Name: api_keys_by_age; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX api_keys_by_age ON public.api_keys USING btree (created_at, id);


--
-- Name: api_keys_by_prefix; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX api_keys_by_prefix ON public.api_keys USING btree (key_prefix COLLATE "C");


--
-- Name: api_keys_by_tenant_and_age; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX api_keys_by_tenant_and_age ON public.api_keys USING btree (tenant_id, created_at, id);


--
-- Name: audit_log_by_actor; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX audit_log_by_actor ON public.audit_log USING btree (actor, id);


--
-- Name: audit_log_by_age; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX audit_log_by_age ON public.audit_log USING btree (ts);


--
-- Name: audit_log_by_target; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX audit_log_by_target ON public.audit_log USING btree (target_type, target_id, id);


--
-- Name: idempotency_keys_by_age; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX idempotency_keys_by_age ON public.idempotency_keys USING btree (ts);


--
-- Name: limits_by_age; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX limits_by_age ON public.limits USING btree (created_at, id);


--
-- Name: limits_by_key; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX limits_by_key ON public.limits USING btree (key_id) WHERE (key_id IS NOT NULL);


--
-- Name: limits_by_user; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX limits_by_user ON public.limits USING btree (tenant_id, user_id) WHERE (user_id IS NOT NULL);


--
-- Name: retired_secrets_by_key; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX retired_secrets_by_key ON public.retired_secrets USING btree (key_id);


--
-- Name: retired_secrets_by_prefix; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX retired_secrets_by_prefix ON public.retired_secrets USING btree (key_prefix COLLATE "C");


--
-- Name: tenants_by_age; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX tenants_by_age ON public.tenants USING btree (created_at, id);


--
-- Name: tenants_by_group; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX tenants_by_group ON public.tenants USING btree (fairshare_group);


--
-- Name: tenants_by_policy; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX tenants_by_policy ON public.tenants USING btree (policy) WHERE (policy IS NOT NULL);


--
-- Name: usage_tenant_ts; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX usage_tenant_ts ON ONLY public.usage USING btree (tenant_id, ts);


--
-- Name: usage_2026_10_tenant_id_ts_idx; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX usage_2026_10_tenant_id_ts_idx ON public.usage_2026_10 USING btree (tenant_id, ts);


--
-- Name: usage_ts; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX usage_ts ON ONLY public.usage USING brin (ts) WITH (pages_per_range='64', autosummarize='on');


--
-- Name: usage_2026_10_ts_idx; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX usage_2026_10_ts_idx ON public.usage_2026_10 USING brin (ts) WITH (pages_per_range='64', autosummarize='on');


--
-- Name: usage_2026_11_tenant_id_ts_idx; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX usage_2026_11_tenant_id_ts_idx ON public.usage_2026_11 USING btree (tenant_id, ts);


--
-- Name: usage_2026_11_ts_idx; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX usage_2026_11_ts_idx ON public.usage_2026_11 USING brin (ts) WITH (pages_per_range='64', autosummarize='on');


--
-- Name: usage_2026_12_tenant_id_ts_idx; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX usage_2026_12_tenant_id_ts_idx ON public.usage_2026_12 USING btree (tenant_id, ts);


--
-- Name: usage_2026_12_ts_idx; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX usage_2026_12_ts_idx ON public.usage_2026_12 USING brin (ts) WITH (pages_per_range='64', autosummarize='on');


--
-- Name: usage_marks_bucket; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX usage_marks_bucket ON public.usage_marks USING btree (bucket, width);


--
-- Name: usage_rollups_bucket; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX usage_rollups_bucket ON ONLY public.usage_rollups USING btree (bucket, grain);


--
-- Name: usage_rollups_day_bucket_grain_idx; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX usage_rollups_day_bucket_grain_idx ON public.usage_rollups_day USING btree (bucket, grain);


--
-- Name: usage_rollups_tenant_bucket; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX usage_rollups_tenant_bucket ON ONLY public.usage_rollups USING btree (tenant_id, grain, bucket);


--
-- Name: usage_rollups_day_tenant_id_grain_bucket_idx; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX usage_rollups_day_tenant_id_grain_bucket_idx ON public.usage_rollups_day USING btree (tenant_id, grain, bucket);


--
-- Name: usage_rollups_hour_bucket_grain_idx; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX usage_rollups_hour_bucket_grain_idx ON public.usage_rollups_hour USING btree (bucket, grain);


--
-- Name: usage_rollups_hour_tenant_id_grain_bucket_idx; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX usage_rollups_hour_tenant_id_grain_bucket_idx ON public.usage_rollups_hour USING btree (tenant_id, grain, bucket);


--
-- Name: usage_rollups_minute_bucket_grain_idx; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX usage_rollups_minute_bucket_grain_idx ON public.usage_rollups_minute USING btree (bucket, grain);


--
-- Name: usage_rollups_minute_tenant_id_grain_bucket_idx; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX usage_rollups_minute_tenant_id_grain_bucket_idx ON public.usage_rollups_minute USING btree (tenant_id, grain, bucket);


--
-- Name: usage_2026_10_pkey; Type: INDEX ATTACH; Schema: public; Owner: -
--

ALTER INDEX public.usage_pkey ATTACH PARTITION public.usage_2026_10_pkey;


--
-- Name: usage_2026_10_tenant_id_ts_idx; Type: INDEX ATTACH; Schema: public; Owner: -
--

ALTER INDEX public.usage_tenant_ts ATTACH PARTITION public.usage_2026_10_tenant_id_ts_idx;


--
-- Name: usage_2026_10_ts_idx; Type: INDEX ATTACH; Schema: public; Owner: -
--

ALTER INDEX public.usage_ts ATTACH PARTITION public.usage_2026_10_ts_idx;


--
-- Name: usage_2026_11_pkey; Type: INDEX ATTACH; Schema: public; Owner: -
--

ALTER INDEX public.usage_pkey ATTACH PARTITION public.usage_2026_11_pkey;


--
-- Name: usage_2026_11_tenant_id_ts_idx; Type: INDEX ATTACH; Schema: public; Owner: -
--

ALTER INDEX public.usage_tenant_ts ATTACH PARTITION public.usage_2026_11_tenant_id_ts_idx;


--
-- Name: usage_2026_11_ts_idx; Type: INDEX ATTACH; Schema: public; Owner: -
--

ALTER INDEX public.usage_ts ATTACH PARTITION public.usage_2026_11_ts_idx;


--
-- Name: usage_2026_12_pkey; Type: INDEX ATTACH; Schema: public; Owner: -
--

ALTER INDEX public.usage_pkey ATTACH PARTITION public.usage_2026_12_pkey;


--
-- Name: usage_2026_12_tenant_id_ts_idx; Type: INDEX ATTACH; Schema: public; Owner: -
--

ALTER INDEX public.usage_tenant_ts ATTACH PARTITION public.usage_2026_12_tenant_id_ts_idx;


--
-- Name: usage_2026_12_ts_idx; Type: INDEX ATTACH; Schema: public; Owner: -
--

ALTER INDEX public.usage_ts ATTACH PARTITION public.usage_2026_12_ts_idx;


--
-- Name: usage_rollups_day_bucket_grain_idx; Type: INDEX ATTACH; Schema: public; Owner: -
--

ALTER INDEX public.usage_rollups_bucket ATTACH PARTITION public.usage_rollups_day_bucket_grain_idx;


--
-- Name: usage_rollups_day_tenant_id_grain_bucket_idx; Type: INDEX ATTACH; Schema: public; Owner: -
--

ALTER INDEX public.usage_rollups_tenant_bucket ATTACH PARTITION public.usage_rollups_day_tenant_id_grain_bucket_idx;


--
-- Name: usage_rollups_hour_bucket_grain_idx; Type: INDEX ATTACH; Schema: public; Owner: -
--

ALTER INDEX public.usage_rollups_bucket ATTACH PARTITION public.usage_rollups_hour_bucket_grain_idx;


--
-- Name: usage_rollups_hour_tenant_id_grain_bucket_idx; Type: INDEX ATTACH; Schema: public; Owner: -
--

ALTER INDEX public.usage_rollups_tenant_bucket ATTACH PARTITION public.usage_rollups_hour_tenant_id_grain_bucket_idx;


--
-- Name: usage_rollups_minute_bucket_grain_idx; Type: INDEX ATTACH; Schema: public; Owner: -
--

ALTER INDEX public.usage_rollups_bucket ATTACH PARTITION public.usage_rollups_minute_bucket_grain_idx;


--
-- Name: usage_rollups_minute_tenant_id_grain_bucket_idx; Type: INDEX ATTACH; Schema: public; Owner: -
--

ALTER INDEX public.usage_rollups_tenant_bucket ATTACH PARTITION public.usage_rollups_minute_tenant_id_grain_bucket_idx;


--
-- Name: usage usage_deleted; Type: TRIGGER; Schema: public; Owner: -
--

CREATE TRIGGER usage_deleted AFTER DELETE ON public.usage REFERENCING OLD TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION public.usage_mark();


--
-- Name: usage usage_inserted; Type: TRIGGER; Schema: public; Owner: -
--

CREATE TRIGGER usage_inserted AFTER INSERT ON public.usage REFERENCING NEW TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION public.usage_mark();


--
-- Name: usage usage_updated; Type: TRIGGER; Schema: public; Owner: -
--

CREATE TRIGGER usage_updated AFTER UPDATE ON public.usage REFERENCING OLD TABLE AS before NEW TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION public.usage_mark_both();


--
-- Name: api_keys api_keys_tenant_id_fkey; Type: FK CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.api_keys
    ADD CONSTRAINT api_keys_tenant_id_fkey FOREIGN KEY (tenant_id) REFERENCES public.tenants(id) ON DELETE CASCADE;


--
-- Name: api_keys api_keys_tenant_id_user_id_fkey; Type: FK CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.api_keys
    ADD CONSTRAINT api_keys_tenant_id_user_id_fkey FOREIGN KEY (tenant_id, user_id) REFERENCES public.users(tenant_id, id);


--
-- Name: limits limits_fairshare_group_fkey; Type: FK CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.limits
    ADD CONSTRAINT limits_fairshare_group_fkey FOREIGN KEY (fairshare_group) REFERENCES public.fairshare_groups(name) ON DELETE CASCADE;


--
-- Name: limits limits_key_id_fkey; Type: FK CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.limits
    ADD CONSTRAINT limits_key_id_fkey FOREIGN KEY (key_id) REFERENCES public.api_keys(id) ON DELETE CASCADE;


--
-- Name: limits limits_tenant_id_fkey; Type: FK CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.limits
    ADD CONSTRAINT limits_tenant_id_fkey FOREIGN KEY (tenant_id) REFERENCES public.tenants(id) ON DELETE CASCADE;


--
-- Name: limits limits_tenant_id_user_id_fkey; Type: FK CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.limits
    ADD CONSTRAINT limits_tenant_id_user_id_fkey FOREIGN KEY (tenant_id, user_id) REFERENCES public.users(tenant_id, id) ON DELETE CASCADE;


--
-- Name: retired_secrets retired_secrets_key_id_fkey; Type: FK CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.retired_secrets
    ADD CONSTRAINT retired_secrets_key_id_fkey FOREIGN KEY (key_id) REFERENCES public.api_keys(id) ON DELETE CASCADE;


--
-- Name: tenants tenants_fairshare_group_fkey; Type: FK CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.tenants
    ADD CONSTRAINT tenants_fairshare_group_fkey FOREIGN KEY (fairshare_group) REFERENCES public.fairshare_groups(name);


--
-- Name: tenants tenants_policy_fkey; Type: FK CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.tenants
    ADD CONSTRAINT tenants_policy_fkey FOREIGN KEY (policy) REFERENCES public.policies(name);


--
-- Name: users users_tenant_id_fkey; Type: FK CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.users
    ADD CONSTRAINT users_tenant_id_fkey FOREIGN KEY (tenant_id) REFERENCES public.tenants(id) ON DELETE CASCADE;


--
-- PostgreSQL database dump complete
--

\unrestrict upgrade

