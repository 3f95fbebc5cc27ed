SET client_min_messages = warning; DROP EXTENSION IF EXISTS personalize CASCADE; CREATE EXTENSION personalize; RESET client_min_messages;
-- The expected fields are those of the IAB's own library, @iabtechlabtcf/core
-- 1.5.21, and of an independent reader; V04 is "="-padded, as the IAB's Java
-- library accepts it.  Long lists of vendors are given by count, ends and digest.
CREATE TEMP TABLE vector (id text PRIMARY KEY, tc_string text, expected jsonb);
COPY vector FROM stdin (DELIMITER ' ');
V01 COtybn4PA_zT4KjACBENAPCIAEBAAECAAIAAAAAAAAAA {"version":2,"created":"2020-01-26T17:01:00.000Z","last_updated":"2021-02-02T17:01:00.000Z","cmp_id":675,"cmp_version":2,"consent_screen":1,"lang":"EN","vendor_list_version":15,"policy_version":2,"is_service_specific":false,"use_non_standard_texts":false,"special_features":[1],"purposes_consent":[2,10],"purposes_li_raw":[2,9],"purpose_one_treatment":true,"publisher_cc":"AA","vendor_consent":{"max":0,"range_encoded":false,"ids":[]},"vendor_li":{"max":0,"range_encoded":false,"ids":[]},"pub_restrictions":[]}
V02 COrEAV4OrXx94ACABBENAHCIAD-AAAAAAACAAxAAAAgAIAwgAgAAAAEAgQAAAAAEAYQAQAAAACAAAABAAA {"version":2,"created":"2019-12-04T18:53:00.000Z","last_updated":"2019-12-10T18:53:00.000Z","cmp_id":2,"cmp_version":1,"consent_screen":1,"lang":"EN","vendor_list_version":7,"policy_version":2,"is_service_specific":false,"use_non_standard_texts":false,"special_features":[1],"purposes_consent":[3,4,5,6,7,8,9],"purposes_li_raw":[],"purpose_one_treatment":false,"publisher_cc":"AQ","vendor_consent":{"max":98,"range_encoded":false,"ids":[23,37,47,48,53,65,98]},"vendor_li":{"max":129,"range_encoded":false,"ids":[37,47,48,53,65,98,129]},"pub_restrictions":[]}
V03 COrEAV4OrXx94ACABBENAHCIAD-AAAAAAACAAxAAAAgAIAwgAgAAAAEAgQAAAAAEAYQAQAAAACAAAABAAA.IBAgAAAgAIAwgAgAAAAEAAAACA.QAagAQAgAIAwgA {"version":2,"created":"2019-12-04T18:53:00.000Z","last_updated":"2019-12-10T18:53:00.000Z","cmp_id":2,"cmp_version":1,"consent_screen":1,"lang":"EN","vendor_list_version":7,"policy_version":2,"is_service_specific":false,"use_non_standard_texts":false,"special_features":[1],"purposes_consent":[3,4,5,6,7,8,9],"purposes_li_raw":[],"purpose_one_treatment":false,"publisher_cc":"AQ","vendor_consent":{"max":98,"range_encoded":false,"ids":[23,37,47,48,53,65,98]},"vendor_li":{"max":129,"range_encoded":false,"ids":[37,47,48,53,65,98,129]},"pub_restrictions":[],"disclosed":{"max":129,"range_encoded":false,"ids":[23,37,47,48,53,65,98,129]},"allowed":{"max":53,"range_encoded":false,"ids":[12,23,37,47,48,53]}}
V04 COrEAV4OrXx94ACABBENAHCIAD-AAAAAAACAAxAAAAgAIAwgAgAAAAEAgQAAAAAEAYQAQAAAACAAAABAAA.IBAgAAAgAIAwgAgAAAAEAAAACA.QAagAQAgAIAwgA.cAAAAAAAITg= {"version":2,"created":"2019-12-04T18:53:00.000Z","last_updated":"2019-12-10T18:53:00.000Z","cmp_id":2,"cmp_version":1,"consent_screen":1,"lang":"EN","vendor_list_version":7,"policy_version":2,"is_service_specific":false,"use_non_standard_texts":false,"special_features":[1],"purposes_consent":[3,4,5,6,7,8,9],"purposes_li_raw":[],"purpose_one_treatment":false,"publisher_cc":"AQ","vendor_consent":{"max":98,"range_encoded":false,"ids":[23,37,47,48,53,65,98]},"vendor_li":{"max":129,"range_encoded":false,"ids":[37,47,48,53,65,98,129]},"pub_restrictions":[],"disclosed":{"max":129,"range_encoded":false,"ids":[23,37,47,48,53,65,98,129]},"allowed":{"max":53,"range_encoded":false,"ids":[12,23,37,47,48,53]},"publisher_tc":{"pc":[1],"pli":[24],"ncustom":2,"cc":[2],"cli":[1,2]}}
V05 COv__-wOv__-wC2AAAENAPCgAAAAAAAAAAAAA_wAQA_gEBABAEAAAA {"version":2,"created":"2020-03-09T15:53:02.400Z","last_updated":"2020-03-09T15:53:02.400Z","cmp_id":182,"cmp_version":0,"consent_screen":0,"lang":"EN","vendor_list_version":15,"policy_version":2,"is_service_specific":true,"use_non_standard_texts":false,"special_features":[],"purposes_consent":[],"purposes_li_raw":[],"purpose_one_treatment":false,"publisher_cc":"AA","vendor_consent":{"max":127,"range_encoded":true,"ids":[127]},"vendor_li":{"max":128,"range_encoded":true,"ids":[128]},"pub_restrictions":[]}
V06 COwBOpCOwBOpCLqAAAENAPCAAAAAAAAAAAAAFfwAYFfAV-BVkAGBVYFWAAA.IFoEUQQgAIQwgIwQABAEAAAAOIAACAIAAAAQAIAgEAACEAAAAAgAQBAAAAAAAGBAAgAAAAAAAFAAECAAAgAAQARAEQAAAAAJAAIAAgAAAYQEAAAQmAgBC3ZAYzUw {"version":2,"created":"2020-03-10T00:50:01.800Z","last_updated":"2020-03-10T00:50:01.800Z","cmp_id":746,"cmp_version":0,"consent_screen":0,"lang":"EN","vendor_list_version":15,"policy_version":2,"is_service_specific":false,"use_non_standard_texts":false,"special_features":[],"purposes_consent":[],"purposes_li_raw":[],"purpose_one_treatment":false,"publisher_cc":"AA","vendor_consent":{"max":703,"range_encoded":true,"ids":[702,703]},"vendor_li":{"max":684,"range_encoded":true,"ids":[683,684]},"pub_restrictions":[],"disclosed":{"max":720,"range_encoded":false,"ids":{"count":79,"first":[2,6,8,12,18,23,37,42],"last":[712,714,716,719,720],"sha256_of_csv":"81432bd4ccb2ba6a"}}}
V07 COwBOpCOwBOpCLqAAAENAPCAAAAAAAAAAAAAFfwAQFfgUbABAUaAAA.IFoEUQQgAIQwgIwQABAEAAAAOIAACAIAAAAQAIAgEAACEAAAAAgAQBAAAAAAAGBAAgAAAAAAAFAAECAAAgAAQARAEQAAAAAJAAIAAgAAAYQEAAAQmAgBC3ZAYzUw {"version":2,"created":"2020-03-10T00:50:01.800Z","last_updated":"2020-03-10T00:50:01.800Z","cmp_id":746,"cmp_version":0,"consent_screen":0,"lang":"EN","vendor_list_version":15,"policy_version":2,"is_service_specific":false,"use_non_standard_texts":false,"special_features":[],"purposes_consent":[],"purposes_li_raw":[],"purpose_one_treatment":false,"publisher_cc":"AA","vendor_consent":{"max":703,"range_encoded":true,"ids":[703]},"vendor_li":{"max":653,"range_encoded":true,"ids":[653]},"pub_restrictions":[],"disclosed":{"max":720,"range_encoded":false,"ids":{"count":79,"first":[2,6,8,12,18,23,37,42],"last":[712,714,716,719,720],"sha256_of_csv":"81432bd4ccb2ba6a"}}}
V08 COwxsONOwxsONKpAAAENAdCAAMAAAAAAAAAAAAAAAAAA {"version":2,"created":"2020-03-24T17:43:29.300Z","last_updated":"2020-03-24T17:43:29.300Z","cmp_id":681,"cmp_version":0,"consent_screen":0,"lang":"EN","vendor_list_version":29,"policy_version":2,"is_service_specific":false,"use_non_standard_texts":false,"special_features":[],"purposes_consent":[1,2],"purposes_li_raw":[],"purpose_one_treatment":false,"publisher_cc":"AA","vendor_consent":{"max":0,"range_encoded":false,"ids":[]},"vendor_li":{"max":0,"range_encoded":false,"ids":[]},"pub_restrictions":[]}
V09 COyfVVoOyfVVoADACHENAwCAAAAAAAAAAAAAE5QBgALgAqgD8AQACSwEygJyAnSAMABgAFkAgQCDASeAmYBOgAA {"version":2,"created":"2020-04-27T00:07:00.000Z","last_updated":"2020-04-27T00:07:00.000Z","cmp_id":3,"cmp_version":2,"consent_screen":7,"lang":"EN","vendor_list_version":48,"policy_version":2,"is_service_specific":false,"use_non_standard_texts":false,"special_features":[],"purposes_consent":[],"purposes_li_raw":[],"purpose_one_treatment":false,"publisher_cc":"AA","vendor_consent":{"max":626,"range_encoded":true,"ids":[23,42,126,127,128,587,613,626]},"vendor_li":{"max":628,"range_encoded":true,"ids":[24,44,129,130,131,591,614,628]},"pub_restrictions":[]}
V10 COwGVJOOwGVJOADACHENAOCAAO6as_-AAAhoAFNLAAoAAAA {"version":2,"created":"2020-03-11T13:58:57.400Z","last_updated":"2020-03-11T13:58:57.400Z","cmp_id":3,"cmp_version":2,"consent_screen":7,"lang":"EN","vendor_list_version":14,"policy_version":2,"is_service_specific":false,"use_non_standard_texts":false,"special_features":[],"purposes_consent":[1,2,3,5,6,7,9,12,13,15,17,19,20,23,24],"purposes_li_raw":[1,2,3,4,5,6,7,8,9],"purpose_one_treatment":false,"publisher_cc":"EN","vendor_consent":{"max":10,"range_encoded":false,"ids":[1,2,4,7,9,10]},"vendor_li":{"max":10,"range_encoded":false,"ids":[]},"pub_restrictions":[]}
V11 COwAdDhOwAdDhN4ABAENAPCgAAQAAv___wAAAFP_AAp_4AI6ACACAA {"version":2,"created":"2020-03-09T19:11:31.300Z","last_updated":"2020-03-09T19:11:31.300Z","cmp_id":888,"cmp_version":1,"consent_screen":0,"lang":"EN","vendor_list_version":15,"policy_version":2,"is_service_specific":true,"use_non_standard_texts":false,"special_features":[],"purposes_consent":[6,23],"purposes_li_raw":[1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24],"purpose_one_treatment":false,"publisher_cc":"AA","vendor_consent":{"max":10,"range_encoded":false,"ids":[1,2,3,4,5,6,7,8,9,10]},"vendor_li":{"max":10,"range_encoded":false,"ids":[1,2,3,4,5,6,7,8,9,10]},"pub_restrictions":[[7,1,[32]]]}
V12 COxPe2TOxPe2TALABAENAPCgAAAAAAAAAAAAAFAAAAoAAA4IACACAIABgACAFA4ADACAAIygAGADwAQBIAIAIB0AEAEBSACACAA {"version":2,"created":"2020-04-02T18:39:23.500Z","last_updated":"2020-04-02T18:39:23.500Z","cmp_id":11,"cmp_version":1,"consent_screen":0,"lang":"EN","vendor_list_version":15,"policy_version":2,"is_service_specific":true,"use_non_standard_texts":false,"special_features":[],"purposes_consent":[],"purposes_li_raw":[],"purpose_one_treatment":false,"publisher_cc":"AA","vendor_consent":{"max":10,"range_encoded":false,"ids":[]},"vendor_li":{"max":10,"range_encoded":false,"ids":[]},"pub_restrictions":[[1,0,[32]],[2,0,[1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30,31,32,33,34,35,36,37,38,39,40]],[7,0,[32,33,34,35]],[10,0,[30,31,32]],[2,1,[32]],[7,1,[32]],[10,1,[32]]]}
V13 COx3XOeOx3XOeLkAAAENAfCIAAAAAHgAAIAAAAAAAAAA {"version":2,"created":"2020-04-14T21:03:37.400Z","last_updated":"2020-04-14T21:03:37.400Z","cmp_id":740,"cmp_version":0,"consent_screen":0,"lang":"EN","vendor_list_version":31,"policy_version":2,"is_service_specific":false,"use_non_standard_texts":false,"special_features":[1],"purposes_consent":[],"purposes_li_raw":[2,3,4,5],"purpose_one_treatment":true,"publisher_cc":"AA","vendor_consent":{"max":0,"range_encoded":false,"ids":[]},"vendor_li":{"max":0,"range_encoded":false,"ids":[]},"pub_restrictions":[]}
V14 COyiBqdOyiBqdObAAAENAfCIAP8AAH-AAAAAB4AXQQgEAAAgoAAAAABAIYQUAAAAAAAAAAAAAAAIQIQCxIvkgQMAAAABgAIAAAAAAAAAAABAZAkAAA {"version":2,"created":"2020-04-27T19:43:24.500Z","last_updated":"2020-04-27T19:43:24.500Z","cmp_id":923,"cmp_version":0,"consent_screen":0,"lang":"EN","vendor_list_version":31,"policy_version":2,"is_service_specific":false,"use_non_standard_texts":false,"special_features":[1],"purposes_consent":[1,2,3,4,5,6,7,8],"purposes_li_raw":[2,3,4,5,6,7,8,9],"purpose_one_treatment":false,"publisher_cc":"AA","vendor_consent":{"max":240,"range_encoded":false,"ids":[6,8,9,10,12,18,23,32,53,59,61,100,109,114,115,120,126,128,223,228,235,240]},"vendor_li":{"max":177,"range_encoded":false,"ids":[2,6,8,9,10,11,12,15,18,25,32,33,65,66,80,155,163,164,167,174,177]},"pub_restrictions":[]}
V15 COwJz-rOwJz-rMLAEAFRAPCgAAAAAAAAAAqIAAAAAAAA {"version":2,"created":"2020-03-12T15:20:10.700Z","last_updated":"2020-03-12T15:20:10.700Z","cmp_id":779,"cmp_version":4,"consent_screen":0,"lang":"FR","vendor_list_version":15,"policy_version":2,"is_service_specific":true,"use_non_standard_texts":false,"special_features":[],"purposes_consent":[],"purposes_li_raw":[],"purpose_one_treatment":false,"publisher_cc":"FR","vendor_consent":{"max":0,"range_encoded":false,"ids":[]},"vendor_li":{"max":0,"range_encoded":false,"ids":[]},"pub_restrictions":[]}
V16 CLcVDxRMWfGmWAVAHCENAXCkAKDAADnAABRgA5mdfCKZuYJez-NQm0TBMYA4oCAAGQYIAAAAAAEAIAEgAA {"version":2,"created":"2008-12-07T10:04:17.700Z","last_updated":"2012-01-10T17:10:13.400Z","cmp_id":21,"cmp_version":7,"consent_screen":2,"lang":"EN","vendor_list_version":23,"policy_version":2,"is_service_specific":true,"use_non_standard_texts":false,"special_features":[2],"purposes_consent":[1,3,9,10],"purposes_li_raw":[3,4,5,8,9,10],"purpose_one_treatment":false,"publisher_cc":"KM","vendor_consent":{"max":115,"range_encoded":false,"ids":[2,3,6,7,8,10,12,13,14,15,16,21,25,27,30,31,34,35,37,38,39,42,43,49,52,54,55,56,57,59,60,63,64,65,66,67,68,69,73,74,76,78,83,86,87,89,90,92,96,99,100,106,109,110,114,115]},"vendor_li":{"max":113,"range_encoded":false,"ids":[1,9,26,27,30,36,37,43,86,97,110,113]},"pub_restrictions":[]}
V17 CLcVDxRMWfGmWAVAHCENAXCkAKDAADnAABRgA5mdfCKZuYJez-NQm0TBMYA4oCAAGQYIAAAAAAEAIAEgAA.argAC0gAAAAAAAAAAAA {"version":2,"created":"2008-12-07T10:04:17.700Z","last_updated":"2012-01-10T17:10:13.400Z","cmp_id":21,"cmp_version":7,"consent_screen":2,"lang":"EN","vendor_list_version":23,"policy_version":2,"is_service_specific":true,"use_non_standard_texts":false,"special_features":[2],"purposes_consent":[1,3,9,10],"purposes_li_raw":[3,4,5,8,9,10],"purpose_one_treatment":false,"publisher_cc":"KM","vendor_consent":{"max":115,"range_encoded":false,"ids":[2,3,6,7,8,10,12,13,14,15,16,21,25,27,30,31,34,35,37,38,39,42,43,49,52,54,55,56,57,59,60,63,64,65,66,67,68,69,73,74,76,78,83,86,87,89,90,92,96,99,100,106,109,110,114,115]},"vendor_li":{"max":113,"range_encoded":false,"ids":[1,9,26,27,30,36,37,43,86,97,110,113]},"pub_restrictions":[],"publisher_tc":{"pc":[2,4,6,8,9,10],"pli":[2,4,5,7,10],"ncustom":0,"cc":[],"cli":[]}}
V18 CLcVDxRMWfGmWAVAHCENAXCkAKDAADnAABRgA5mdfCKZuYJez-NQm0TBMYA4oCAAGQYIAAAAAAEAIAEgAA.YAAAAAAAAXA {"version":2,"created":"2008-12-07T10:04:17.700Z","last_updated":"2012-01-10T17:10:13.400Z","cmp_id":21,"cmp_version":7,"consent_screen":2,"lang":"EN","vendor_list_version":23,"policy_version":2,"is_service_specific":true,"use_non_standard_texts":false,"special_features":[2],"purposes_consent":[1,3,9,10],"purposes_li_raw":[3,4,5,8,9,10],"purpose_one_treatment":false,"publisher_cc":"KM","vendor_consent":{"max":115,"range_encoded":false,"ids":[2,3,6,7,8,10,12,13,14,15,16,21,25,27,30,31,34,35,37,38,39,42,43,49,52,54,55,56,57,59,60,63,64,65,66,67,68,69,73,74,76,78,83,86,87,89,90,92,96,99,100,106,109,110,114,115]},"vendor_li":{"max":113,"range_encoded":false,"ids":[1,9,26,27,30,36,37,43,86,97,110,113]},"pub_restrictions":[],"publisher_tc":{"pc":[],"pli":[],"ncustom":2,"cc":[1,2],"cli":[1]}}
V19 CQSbk4AQSbk4ANwAAAENAwCgAAAAAAAAAAYgACPAAAAA.IDKQA4AAgAKAGQAygAAA.YAAAAAAAAAAA {"version":2,"created":"2025-06-03T00:00:00.000Z","last_updated":"2025-06-03T00:00:00.000Z","cmp_id":880,"cmp_version":0,"consent_screen":0,"lang":"EN","vendor_list_version":48,"policy_version":2,"is_service_specific":true,"use_non_standard_texts":false,"special_features":[],"purposes_consent":[],"purposes_li_raw":[],"purpose_one_treatment":false,"publisher_cc":"DE","vendor_consent":{"max":4,"range_encoded":false,"ids":[1,2,3,4]},"vendor_li":{"max":0,"range_encoded":false,"ids":[]},"pub_restrictions":[],"disclosed":{"max":404,"range_encoded":true,"ids":[1,2,3,4,5,100,404]},"publisher_tc":{"pc":[],"pli":[],"ncustom":0,"cc":[],"cli":[]}}
V20 CPXxRfAPXxRfAAfKABENB-CgAAAAAAAAAAYgAAAAAAAA {"version":2,"created":"2022-04-20T22:00:00.000Z","last_updated":"2022-04-20T22:00:00.000Z","cmp_id":31,"cmp_version":640,"consent_screen":1,"lang":"EN","vendor_list_version":126,"policy_version":2,"is_service_specific":true,"use_non_standard_texts":false,"special_features":[],"purposes_consent":[],"purposes_li_raw":[],"purpose_one_treatment":false,"publisher_cc":"DE","vendor_consent":{"max":0,"range_encoded":false,"ids":[]},"vendor_li":{"max":0,"range_encoded":false,"ids":[]},"pub_restrictions":[]}
V21 CQd924AQd924AASACCENCNFsAP_gAEIAACiQL6QBAAGAAOANmAcAF9IAIADgAA.IL6AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA.YIAAAAAAAAAA {"version":2,"created":"2026-01-13T00:00:00.000Z","last_updated":"2026-01-13T00:00:00.000Z","cmp_id":18,"cmp_version":2,"consent_screen":2,"lang":"EN","vendor_list_version":141,"policy_version":5,"is_service_specific":true,"use_non_standard_texts":false,"special_features":[1,2],"purposes_consent":[1,2,3,4,5,6,7,8,9,10,11],"purposes_li_raw":[2,7],"purpose_one_treatment":false,"publisher_cc":"US","vendor_consent":{"max":1524,"range_encoded":true,"ids":[12,14,435,448]},"vendor_li":{"max":1524,"range_encoded":true,"ids":[14]},"pub_restrictions":[],"disclosed":{"max":1524,"range_encoded":false,"ids":[]},"publisher_tc":{"pc":[6],"pli":[],"ncustom":0,"cc":[],"cli":[]}}
V22 CO4VGswO4VGswAfZCBDEAzCsAP_AAH_AAAigGUNf_X9fb2vj-_599_t0eY1f9_63t-wzjheMs-8NyZ-X_J4Wv2MyvB34JqQKGRgkunLBAQdtHGncTQgBwIlViTLMY02MjzNKJrJEilsbe2dYGH9vn8XT_ZKZ70-_v__7v3___33_5Ayhr_6_r7e18f3_Pvv9ujzGr_v_W9v2GccLxln3huTPy_5PC1-xmV4O_BNSBQyMEl05YICDto407iaEAOBEqsSZZjGmxkeZpRNZIkUtjb2zrAw_t8_i6f7JTPen39___d-___--__ICgKAOAAcAA4AFAAjgB6AEYALcGACAW0AtoJAHAAOAAcACgARwA9ACMAFuFABALaAW0GgDgAHAAOABQAI4AegBGAC3DgAgFtALaEQBwADgAHAAoAEcAPQAjABbiQAQC2gFtCoA4ABwADgAUACOAHoARgAtxYAIBbQC2hkAcAA4ABwAKABHAD0AIwAW40AEAtoBbQ6AOAAcAA4AFAAjgB6AEYALceACAW0AtohAHAAOAAcACgARwA9ACMAFuRABALaAW0SgDgAHAAOABQAI4AegBGAC3JgAgFtALaKQBwADgAHAAoAEcAPQAjABblQAQC2gFtA {"version":2,"created":"2020-08-18T09:50:09.600Z","last_updated":"2020-08-18T09:50:09.600Z","cmp_id":31,"cmp_version":1602,"consent_screen":1,"lang":"DE","vendor_list_version":51,"policy_version":2,"is_service_specific":true,"use_non_standard_texts":false,"special_features":[1,2],"purposes_consent":[1,2,3,4,5,6,7,8,9,10],"purposes_li_raw":[2,3,4,5,6,7,8,9,10],"purpose_one_treatment":false,"publisher_cc":"EU","vendor_consent":{"max":808,"range_encoded":false,"ids":{"count":479,"first":[1,2,4,6,7,8,9,10],"last":[802,803,804,805,808],"sha256_of_csv":"3039a9b58969894b"}},"vendor_li":{"max":808,"range_encoded":false,"ids":{"count":479,"first":[1,2,4,6,7,8,9,10],"last":[802,803,804,805,808],"sha256_of_csv":"3039a9b58969894b"}},"pub_restrictions":[[1,1,[7,20,71,122,140,183]],[1,2,[730]],[2,1,[7,20,71,122,140,183]],[2,2,[730]],[3,1,[7,20,71,122,140,183]],[3,2,[730]],[4,1,[7,20,71,122,140,183]],[4,2,[730]],[5,1,[7,20,71,122,140,183]],[5,2,[730]],[6,1,[7,20,71,122,140,183]],[6,2,[730]],[7,1,[7,20,71,122,140,183]],[7,2,[730]],[8,1,[7,20,71,122,140,183]],[8,2,[730]],[9,1,[7,20,71,122,140,183]],[9,2,[730]],[10,1,[7,20,71,122,140,183]],[10,2,[730]]]}
\.

-- the vendors of "1-4,7", as the vectors write them
CREATE FUNCTION pg_temp.vendors(ids text) RETURNS jsonb LANGUAGE sql AS $$
	WITH v AS (
		SELECT DISTINCT i FROM regexp_split_to_table(nullif(ids, ''), ',') AS r,
			generate_series(split_part(r, '-', 1)::int, split_part(r, '-', -1)::int) AS i)
	SELECT CASE WHEN count(*) <= 60 THEN coalesce(jsonb_agg(i ORDER BY i), '[]') ELSE jsonb_build_object(
		'count', count(*), 'first', to_jsonb((array_agg(i ORDER BY i))[:8]),
		'last', to_jsonb((array_agg(i ORDER BY i))[count(*) - 4:]),
		'sha256_of_csv', left(encode(sha256(string_agg(i::text, ',' ORDER BY i)::bytea), 'hex'), 16)) END
	FROM v
$$;
CREATE FUNCTION pg_temp.list(list jsonb) RETURNS jsonb LANGUAGE sql AS $$
	SELECT jsonb_set(list, '{ids}', pg_temp.vendors(list ->> 'ids'))
$$;
CREATE FUNCTION pg_temp.moment(value text) RETURNS text LANGUAGE sql AS $$
	SELECT to_char(value::timestamptz AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')
$$;
-- a decoded string as the vectors write it
CREATE FUNCTION pg_temp.as_vector(d jsonb) RETURNS jsonb LANGUAGE sql AS $$
	SELECT jsonb_strip_nulls(d - 'purposes_li' || jsonb_build_object(
		'purposes_li_raw', d -> 'purposes_li',
		'created', pg_temp.moment(d ->> 'created'), 'last_updated', pg_temp.moment(d ->> 'last_updated'),
		'vendor_consent', pg_temp.list(d -> 'vendor_consent'), 'vendor_li', pg_temp.list(d -> 'vendor_li'),
		'disclosed', pg_temp.list(d -> 'disclosed'), 'allowed', pg_temp.list(d -> 'allowed'),
		'pub_restrictions', (SELECT coalesce(jsonb_agg(jsonb_build_array(r -> 'purpose', r -> 'type', pg_temp.vendors(r ->> 'ids')) ORDER BY n), '[]')
			FROM jsonb_array_elements(d -> 'pub_restrictions') WITH ORDINALITY AS e(r, n)),
		'publisher_tc', CASE WHEN d ? 'publisher_tc' THEN jsonb_build_object(
			'pc', d #> '{publisher_tc,purposes_consent}', 'pli', d #> '{publisher_tc,purposes_li}',
			'ncustom', d #> '{publisher_tc,custom_purposes}',
			'cc', d #> '{publisher_tc,custom_consent}', 'cli', d #> '{publisher_tc,custom_li}') END))
$$;

-- every field of every vector
SELECT id, pg_temp.as_vector(d) = expected AS same,
	(SELECT jsonb_object_agg(key, value) FROM jsonb_each(pg_temp.as_vector(d)) WHERE value IS DISTINCT FROM expected -> key) AS ours,
	(SELECT jsonb_object_agg(key, value) FROM jsonb_each(expected) WHERE value IS DISTINCT FROM pg_temp.as_vector(d) -> key) AS expected
FROM vector, personalize.decode_tcf(tc_string) AS d ORDER BY id;
SELECT personalize.decode_tcf(tc_string) FROM vector WHERE id IN ('V11', 'V19') ORDER BY id;

-- what must be refused
CREATE TEMP TABLE refused (id text, tc_string text);
INSERT INTO refused VALUES
	('N01', 'CONciguONcjGKADACHENAOCIAC0ta__AACiQAA'),
	('N02', 'BONciguONcjGKADACHENAOCIAC0ta__AACiQABgAAYA'),
	('N03', 'CONciguONcjGKADACHENAACIAC0ta__AACiQABgAAYA'),
	('N04', 'CONciguONcjGKADACHENAOCIAC0ta__AACiQAeAA'),
	('N05', 'CONciguONcjGKADACHENAOCIAC0ta__AACiQABwA'),
	('N06', 'CONciguONcjGKADACHENAOCIAC0ta__AACiQABwAQQ'),
	('N07', 'CONciguONcjGKADACHENAOCIAC0ta__AACiQABwAYQAC'),
	('N08', 'CONciguONcjGKADACHENAOCIAC0ta__AACiQABwAgABA'),
	('N09', 'CONciguONcjGKADACHENAOCIAC0ta__AACiQABwAgAAAAA'),
	('N10', 'CONciguONcjGKADACHENAOCIAC0ta__AACiQABwAgACAAA'),
	('N11', 'CONciguONcjGKADACHENAOCIAC0ta__AACiQABwAgABAAAA'),
	('N12', 'CONciguONcjGKADACHENAOCIAC0ta__AACiQABwAgABAAEA'),
	('N13', 'CONciguONcjGKADACHENAOCIAC0ta__AACiQABwAoABAACA'),
	('N14', 'COvcSpYOvcSpYC9AAAENAPCAAAAAAAAAAAAAAFAAAAA'),
	('N15', 'COvcSpYOvcSpYC9AAAENAPCAAAAAAAAAAAAAAFQBgAAgABAACAAEAAQAAgAA'),
	('N16', 'CA=='),
	('N17', 'Bg'),
	('N18', 'BObdrPUOevsguAfDqFENCNAAAAAmeAAA'),
	('N19', 'CLSYjTaOngnCIAOABBENAXCMAGOAABBAAA7IA5n-m7fP6_3fbqVv6E__PoA5Aqff3aJx8tv_1967rfnQEQoAIAAQCrwkAEABAcACABIMACAAuApEVABABUSABgBCAVSAtIoACACIArYQAHACgAFgAVwBJgDcAI7AWgMAAgBiKgAgBMgFfKQAQBRkQAQA4AFiBAAoA-AEVAJlAVgAtYcACAJcAr4eABAK8OgBgFzAOmAqwgABAWyA.IFukWSQh'),
	('N20', 'COwAdDhOwAdDhN4ABAENAPCgAAQAAv___wAAAFP_AAp_4AI6ACACAA.Izzzz!!'),
	('N21', 'COtybn4PA/zT4KjACBENAPCIAEBAAECAAIAAAAAAAAAA'),
	('N22', 'elAAAAAAAWA');
SELECT id, personalize.decode_tcf(tc_string) AS decoded FROM refused ORDER BY id;

-- strings made by hand, from their fields
\getenv abs_srcdir PG_ABS_SRCDIR
\set tc_string :abs_srcdir '/test/tc_string.sql'
\set ECHO none
\i :tc_string
\set ECHO all
SELECT pg_temp.as_vector(personalize.decode_tcf(pg_temp.tc('{"purposes": [1, 11], "vendors": [2, 9], "restrictions": [[3, 1, [[5, 7], [9, 9]]]]}', '{1,3}',
	'{"purposes": [4], "interests": [2], "custom": 3, "custom_consent": [1, 3], "custom_interest": [2]}')));
SELECT name, personalize.decode_tcf(tc_string) AS decoded FROM (VALUES
	(1, 'empty', ''),
	(2, 'one character', 'C'),
	(3, '100 kB of A', repeat('A', 100000)),
	(4, '100 kB of C', repeat('C', 100000)),
	(5, '100 kB of segments', pg_temp.tc('{}', NULL, NULL) || repeat('.', 100000)),
	(6, '100 kB after the last field', pg_temp.tc('{}', NULL, NULL) || repeat('B', 100000)),
	(7, '200 kB', pg_temp.tc('{}', NULL, NULL) || repeat('A', 200000)),
	(8, 'an empty segment', pg_temp.tc('{}', NULL, NULL) || '.'),
	(9, 'two cores', pg_temp.tc('{}', NULL, NULL) || '.' || pg_temp.tc('{}', NULL, NULL)),
	(10, 'disclosed vendors twice', pg_temp.tc('{}', '{1}', NULL) || '.' || pg_temp.disclosed('{2}')),
	(11, 'the publisher twice', pg_temp.tc('{}', NULL, '{}') || '.' || pg_temp.publisher('{}')),
	(12, 'core not first', pg_temp.disclosed('{2}') || '.' || pg_temp.tc('{}', NULL, NULL)),
	(13, 'an unknown segment', pg_temp.tc('{}', NULL, NULL) || '.' || pg_temp.base64url('100000')),
	(14, '4095 ranges, none there', pg_temp.core('{"vendor_bits": "000000000000100111111111111"}')),
	(15, '4095 restrictions, none there', pg_temp.core('{"restriction_bits": "111111111111"}')),
	(16, '65535 vendors, none there', pg_temp.core('{"vendor_bits": "11111111111111110"}')),
	(17, 'restriction of purpose 0', pg_temp.core('{"restrictions": [[0, 1, [[1, 1]]]]}')),
	(18, 'restriction of vendor 0', pg_temp.core('{"restrictions": [[1, 1, [[0, 1]]]]}')),
	(19, 'restriction backwards', pg_temp.core('{"restrictions": [[1, 1, [[3, 2]]]]}')),
	(20, 'language not of letters', pg_temp.core('{"language": "a_"}')),
	(21, 'country not of letters', pg_temp.core('{"country": "D["}')),
	(22, 'created 0', pg_temp.core('{"created": "1970-01-01 00:00:00+00"}')),
	(23, 'created after its update', pg_temp.core('{"created": "2026-01-10 00:00:00.1+00", "updated": "2026-01-10 00:00:00+00"}')),
	(24, 'another version', pg_temp.core('{"version": 3}')),
	(25, 'blank inside', replace(pg_temp.tc('{}', '{1}', NULL), '.', ' .')),
	(26, 'blank around', ' ' || pg_temp.tc('{}', '{1}', NULL)),
	(27, 'URL-encoded padding', pg_temp.tc('{}', NULL, NULL) || '%3D'),
	(28, 'three paddings', pg_temp.tc('{}', NULL, NULL) || '==='),
	(29, 'padding inside', '=' || pg_temp.tc('{}', NULL, NULL)),
	(30, 'UTF-8', overlay(pg_temp.tc('{}', NULL, NULL) PLACING 'é' FROM 20 FOR 1)),
	(31, 'a control character', overlay(pg_temp.tc('{}', NULL, NULL) PLACING E'\x01' FROM 20 FOR 1))) AS v(n, name, tc_string)
ORDER BY n;
SELECT personalize.decode_tcf(NULL) IS NULL AS silent;

-- as big as a list of vendors gets, 8 kB: bits, then ranges that overlap
SELECT d ->> 'error' AS error, d #>> '{vendor_consent,max}' AS max, length(d #>> '{vendor_consent,ids}') AS length, left(d #>> '{vendor_consent,ids}', 20) AS ids
FROM personalize.decode_tcf(pg_temp.core(jsonb_build_object('vendor_bits', '1111111111111111' || '0' || repeat('10', 32767) || '1'))) AS d;
SELECT d ->> 'error' AS error, d #>> '{vendor_consent,ids}' AS ids
FROM personalize.decode_tcf(pg_temp.core(jsonb_build_object('vendor_bits', '1111111111111111' || '1' || '111111111111' || repeat('1' || '0000000000000001' || '1111111111111111', 4095)))) AS d;
SELECT d ->> 'error' AS error, jsonb_array_length(d -> 'pub_restrictions') AS restrictions, d #>> '{pub_restrictions,-1,ids}' AS ids
FROM personalize.decode_tcf(pg_temp.core(jsonb_build_object('restriction_bits', '111111111111' || repeat('000001' || '01' || '000000000001' || '1' || '0000000000000001' || '1111111111111111', 4095)))) AS d;

-- A truncated string is refused, or only zeros and whole segments are gone: it
-- says nothing that the whole one does not say.
SELECT count(*) AS truncations, count(*) FILTER (WHERE NOT d ? 'error') > 0 AS some_are_valid,
	count(*) FILTER (WHERE NOT d ? 'error' AND NOT personalize.decode_tcf(tc_string) @> d) AS say_something_else
FROM vector, generate_series(0, length(tc_string) - 1) AS n, personalize.decode_tcf(left(tc_string, n)) AS d;
