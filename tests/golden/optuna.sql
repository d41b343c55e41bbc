BEGIN TRANSACTION;
CREATE TABLE alembic_version (
	version_num VARCHAR(32) NOT NULL, 
	CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num)
);
INSERT INTO "alembic_version" VALUES('v3.2.0.a');
CREATE TABLE studies (
	study_id INTEGER NOT NULL, 
	study_name VARCHAR(512) NOT NULL, 
	PRIMARY KEY (study_id)
);
INSERT INTO "studies" VALUES(1,'several');
INSERT INTO "studies" VALUES(2,'pruned');
INSERT INTO "studies" VALUES(3,'empty');
CREATE TABLE study_directions (
	study_direction_id INTEGER NOT NULL, 
	direction VARCHAR(8) NOT NULL, 
	study_id INTEGER NOT NULL, 
	objective INTEGER NOT NULL, 
	PRIMARY KEY (study_direction_id), 
	UNIQUE (study_id, objective), 
	FOREIGN KEY(study_id) REFERENCES studies (study_id)
);
INSERT INTO "study_directions" VALUES(1,'MINIMIZE',1,0);
INSERT INTO "study_directions" VALUES(2,'MAXIMIZE',1,1);
INSERT INTO "study_directions" VALUES(3,'MINIMIZE',2,0);
INSERT INTO "study_directions" VALUES(4,'MAXIMIZE',3,0);
CREATE TABLE study_system_attributes (
	study_system_attribute_id INTEGER NOT NULL, 
	study_id INTEGER, 
	"key" VARCHAR(512), 
	value_json TEXT, 
	PRIMARY KEY (study_system_attribute_id), 
	UNIQUE (study_id, "key"), 
	FOREIGN KEY(study_id) REFERENCES studies (study_id)
);
INSERT INTO "study_system_attributes" VALUES(1,1,'study:metric_names','["loss", "score"]');
CREATE TABLE study_user_attributes (
	study_user_attribute_id INTEGER NOT NULL, 
	study_id INTEGER, 
	"key" VARCHAR(512), 
	value_json TEXT, 
	PRIMARY KEY (study_user_attribute_id), 
	UNIQUE (study_id, "key"), 
	FOREIGN KEY(study_id) REFERENCES studies (study_id)
);
INSERT INTO "study_user_attributes" VALUES(1,1,'owner','"me"');
CREATE TABLE trial_heartbeats (
	trial_heartbeat_id INTEGER NOT NULL, 
	trial_id INTEGER NOT NULL, 
	heartbeat DATETIME NOT NULL, 
	PRIMARY KEY (trial_heartbeat_id), 
	UNIQUE (trial_id), 
	FOREIGN KEY(trial_id) REFERENCES trials (trial_id)
);
CREATE TABLE trial_intermediate_values (
	trial_intermediate_value_id INTEGER NOT NULL, 
	trial_id INTEGER NOT NULL, 
	step INTEGER NOT NULL, 
	intermediate_value FLOAT, 
	intermediate_value_type VARCHAR(7) NOT NULL, 
	PRIMARY KEY (trial_intermediate_value_id), 
	UNIQUE (trial_id, step), 
	FOREIGN KEY(trial_id) REFERENCES trials (trial_id)
);
INSERT INTO "trial_intermediate_values" VALUES(1,8,0,5.04490806075850832523e-04,'FINITE');
INSERT INTO "trial_intermediate_values" VALUES(2,8,10,NULL,'NAN');
INSERT INTO "trial_intermediate_values" VALUES(3,8,20,1.05943069275928683503e-02,'FINITE');
INSERT INTO "trial_intermediate_values" VALUES(4,9,0,4.21422535499554494139e-04,'FINITE');
INSERT INTO "trial_intermediate_values" VALUES(5,9,10,NULL,'NAN');
INSERT INTO "trial_intermediate_values" VALUES(6,9,20,8.84987324549064459378e-03,'FINITE');
INSERT INTO "trial_intermediate_values" VALUES(7,10,0,4.16134360276202482781e-03,'FINITE');
INSERT INTO "trial_intermediate_values" VALUES(8,10,10,NULL,'NAN');
INSERT INTO "trial_intermediate_values" VALUES(9,10,20,8.73882156580025187819e-02,'FINITE');
INSERT INTO "trial_intermediate_values" VALUES(10,11,0,4.25155605190852877578e-03,'FINITE');
INSERT INTO "trial_intermediate_values" VALUES(11,11,10,NULL,'NAN');
INSERT INTO "trial_intermediate_values" VALUES(12,11,20,0.0892826770900791,'FINITE');
INSERT INTO "trial_intermediate_values" VALUES(13,12,0,1.23245012047851405269e-03,'FINITE');
INSERT INTO "trial_intermediate_values" VALUES(14,12,10,NULL,'NAN');
INSERT INTO "trial_intermediate_values" VALUES(15,12,20,2.5881452530048795757e-02,'FINITE');
INSERT INTO "trial_intermediate_values" VALUES(16,12,40,NULL,'INF_NEG');
INSERT INTO "trial_intermediate_values" VALUES(17,13,0,9.86422414514379237993e-04,'FINITE');
INSERT INTO "trial_intermediate_values" VALUES(18,13,10,NULL,'NAN');
INSERT INTO "trial_intermediate_values" VALUES(19,13,20,2.07148707048019631304e-02,'FINITE');
INSERT INTO "trial_intermediate_values" VALUES(20,14,0,1.11971938228514920551e-03,'FINITE');
INSERT INTO "trial_intermediate_values" VALUES(21,14,10,NULL,'NAN');
INSERT INTO "trial_intermediate_values" VALUES(22,14,20,2.35141070279881320148e-02,'FINITE');
INSERT INTO "trial_intermediate_values" VALUES(23,15,0,1.44104852020769832565e-05,'FINITE');
INSERT INTO "trial_intermediate_values" VALUES(24,15,10,NULL,'NAN');
INSERT INTO "trial_intermediate_values" VALUES(25,15,20,3.02620189243616680586e-04,'FINITE');
CREATE TABLE trial_params (
	param_id INTEGER NOT NULL, 
	trial_id INTEGER, 
	param_name VARCHAR(512), 
	param_value FLOAT, 
	distribution_json TEXT, 
	PRIMARY KEY (param_id), 
	UNIQUE (trial_id, param_name), 
	FOREIGN KEY(trial_id) REFERENCES trials (trial_id)
);
INSERT INTO "trial_params" VALUES(1,1,'x',0.417022004702574,'{"name": "FloatDistribution", "attributes": {"step": null, "low": 0.0, "high": 1.0, "log": false}}');
INSERT INTO "trial_params" VALUES(2,1,'kind',0.0,'{"name": "CategoricalDistribution", "attributes": {"choices": [null, true, 1, 1.5, "a"]}}');
INSERT INTO "trial_params" VALUES(3,1,'n',1.0,'{"name": "IntDistribution", "attributes": {"log": true, "step": 1, "low": 1, "high": 9}}');
INSERT INTO "trial_params" VALUES(4,2,'x',3.45560727043047744011e-01,'{"name": "FloatDistribution", "attributes": {"step": null, "low": 0.0, "high": 1.0, "log": false}}');
INSERT INTO "trial_params" VALUES(5,2,'kind',3.0,'{"name": "CategoricalDistribution", "attributes": {"choices": [null, true, 1, 1.5, "a"]}}');
INSERT INTO "trial_params" VALUES(6,2,'n',7.0,'{"name": "IntDistribution", "attributes": {"log": true, "step": 1, "low": 1, "high": 9}}');
INSERT INTO "trial_params" VALUES(7,3,'x',2.73875931979261633131e-02,'{"name": "FloatDistribution", "attributes": {"step": null, "low": 0.0, "high": 1.0, "log": false}}');
INSERT INTO "trial_params" VALUES(8,3,'kind',0.0,'{"name": "CategoricalDistribution", "attributes": {"choices": [null, true, 1, 1.5, "a"]}}');
INSERT INTO "trial_params" VALUES(9,3,'n',5.0,'{"name": "IntDistribution", "attributes": {"log": true, "step": 1, "low": 1, "high": 9}}');
INSERT INTO "trial_params" VALUES(10,4,'x',9.68261575719397526995e-01,'{"name": "FloatDistribution", "attributes": {"step": null, "low": 0.0, "high": 1.0, "log": false}}');
INSERT INTO "trial_params" VALUES(11,4,'kind',3.0,'{"name": "CategoricalDistribution", "attributes": {"choices": [null, true, 1, 1.5, "a"]}}');
INSERT INTO "trial_params" VALUES(12,4,'n',1.0,'{"name": "IntDistribution", "attributes": {"log": true, "step": 1, "low": 1, "high": 9}}');
INSERT INTO "trial_params" VALUES(13,5,'x',1.69830419564568901868e-01,'{"name": "FloatDistribution", "attributes": {"step": null, "low": 0.0, "high": 1.0, "log": false}}');
INSERT INTO "trial_params" VALUES(14,5,'kind',3.0,'{"name": "CategoricalDistribution", "attributes": {"choices": [null, true, 1, 1.5, "a"]}}');
INSERT INTO "trial_params" VALUES(15,5,'n',4.0,'{"name": "IntDistribution", "attributes": {"log": true, "step": 1, "low": 1, "high": 9}}');
INSERT INTO "trial_params" VALUES(16,6,'x',3.15515631006062946539e-01,'{"name": "FloatDistribution", "attributes": {"step": null, "low": 0.0, "high": 1.0, "log": false}}');
INSERT INTO "trial_params" VALUES(17,6,'kind',4.0,'{"name": "CategoricalDistribution", "attributes": {"choices": [null, true, 1, 1.5, "a"]}}');
INSERT INTO "trial_params" VALUES(18,6,'n',5.0,'{"name": "IntDistribution", "attributes": {"log": true, "step": 1, "low": 1, "high": 9}}');
INSERT INTO "trial_params" VALUES(19,8,'model.lr',1.51347241822755249757e-03,'{"name": "FloatDistribution", "attributes": {"step": null, "low": 1e-05, "high": 1.0, "log": true}}');
INSERT INTO "trial_params" VALUES(20,8,'q',0.1,'{"name": "FloatDistribution", "attributes": {"step": 0.1, "low": 0.1, "high": 0.7, "log": false}}');
INSERT INTO "trial_params" VALUES(21,8,'k',4.0,'{"name": "IntDistribution", "attributes": {"log": false, "step": 2, "low": 0, "high": 8}}');
INSERT INTO "trial_params" VALUES(22,8,'k width',15.0,'{"name": "IntDistribution", "attributes": {"log": false, "step": 1, "low": 3, "high": 30}}');
INSERT INTO "trial_params" VALUES(23,9,'model.lr',1.26426760649866348241e-03,'{"name": "FloatDistribution", "attributes": {"step": null, "low": 1e-05, "high": 1.0, "log": true}}');
INSERT INTO "trial_params" VALUES(24,9,'q',3.00000000000000044408e-01,'{"name": "FloatDistribution", "attributes": {"step": 0.1, "low": 0.1, "high": 0.7, "log": false}}');
INSERT INTO "trial_params" VALUES(25,9,'k',2.0,'{"name": "IntDistribution", "attributes": {"log": false, "step": 2, "low": 0, "high": 8}}');
INSERT INTO "trial_params" VALUES(26,10,'model.lr',1.2484030808286073616e-02,'{"name": "FloatDistribution", "attributes": {"step": null, "low": 1e-05, "high": 1.0, "log": true}}');
INSERT INTO "trial_params" VALUES(27,10,'q',3.00000000000000044408e-01,'{"name": "FloatDistribution", "attributes": {"step": 0.1, "low": 0.1, "high": 0.7, "log": false}}');
INSERT INTO "trial_params" VALUES(28,10,'k',2.0,'{"name": "IntDistribution", "attributes": {"log": false, "step": 2, "low": 0, "high": 8}}');
INSERT INTO "trial_params" VALUES(29,11,'model.lr',1.27546681557255871947e-02,'{"name": "FloatDistribution", "attributes": {"step": null, "low": 1e-05, "high": 1.0, "log": true}}');
INSERT INTO "trial_params" VALUES(30,11,'q',0.4,'{"name": "FloatDistribution", "attributes": {"step": 0.1, "low": 0.1, "high": 0.7, "log": false}}');
INSERT INTO "trial_params" VALUES(31,11,'k',0.0,'{"name": "IntDistribution", "attributes": {"log": false, "step": 2, "low": 0, "high": 8}}');
INSERT INTO "trial_params" VALUES(32,12,'model.lr',3.69735036143554194124e-03,'{"name": "FloatDistribution", "attributes": {"step": null, "low": 1e-05, "high": 1.0, "log": true}}');
INSERT INTO "trial_params" VALUES(33,12,'q',0.2,'{"name": "FloatDistribution", "attributes": {"step": 0.1, "low": 0.1, "high": 0.7, "log": false}}');
INSERT INTO "trial_params" VALUES(34,12,'k',6.0,'{"name": "IntDistribution", "attributes": {"log": false, "step": 2, "low": 0, "high": 8}}');
INSERT INTO "trial_params" VALUES(35,12,'k width',26.0,'{"name": "IntDistribution", "attributes": {"log": false, "step": 1, "low": 3, "high": 30}}');
INSERT INTO "trial_params" VALUES(36,13,'model.lr',2.95926724354313771397e-03,'{"name": "FloatDistribution", "attributes": {"step": null, "low": 1e-05, "high": 1.0, "log": true}}');
INSERT INTO "trial_params" VALUES(37,13,'q',0.6,'{"name": "FloatDistribution", "attributes": {"step": 0.1, "low": 0.1, "high": 0.7, "log": false}}');
INSERT INTO "trial_params" VALUES(38,13,'k',0.0,'{"name": "IntDistribution", "attributes": {"log": false, "step": 2, "low": 0, "high": 8}}');
INSERT INTO "trial_params" VALUES(39,14,'model.lr',3.35915814685544761655e-03,'{"name": "FloatDistribution", "attributes": {"step": null, "low": 1e-05, "high": 1.0, "log": true}}');
INSERT INTO "trial_params" VALUES(40,14,'q',0.1,'{"name": "FloatDistribution", "attributes": {"step": 0.1, "low": 0.1, "high": 0.7, "log": false}}');
INSERT INTO "trial_params" VALUES(41,14,'k',4.0,'{"name": "IntDistribution", "attributes": {"log": false, "step": 2, "low": 0, "high": 8}}');
INSERT INTO "trial_params" VALUES(42,14,'k width',5.0,'{"name": "IntDistribution", "attributes": {"log": false, "step": 1, "low": 3, "high": 30}}');
INSERT INTO "trial_params" VALUES(43,15,'model.lr',4.32314556062309514675e-05,'{"name": "FloatDistribution", "attributes": {"step": null, "low": 1e-05, "high": 1.0, "log": true}}');
INSERT INTO "trial_params" VALUES(44,15,'q',0.5,'{"name": "FloatDistribution", "attributes": {"step": 0.1, "low": 0.1, "high": 0.7, "log": false}}');
INSERT INTO "trial_params" VALUES(45,15,'k',2.0,'{"name": "IntDistribution", "attributes": {"log": false, "step": 2, "low": 0, "high": 8}}');
CREATE TABLE trial_system_attributes (
	trial_system_attribute_id INTEGER NOT NULL, 
	trial_id INTEGER, 
	"key" VARCHAR(512), 
	value_json TEXT, 
	PRIMARY KEY (trial_system_attribute_id), 
	UNIQUE (trial_id, "key"), 
	FOREIGN KEY(trial_id) REFERENCES trials (trial_id)
);
INSERT INTO "trial_system_attributes" VALUES(1,1,'NSGAIISampler:generation','0');
INSERT INTO "trial_system_attributes" VALUES(2,1,'constraints:memory','0.217022004702574');
INSERT INTO "trial_system_attributes" VALUES(3,1,'constraints','[-0.082977995297426, -0.25]');
INSERT INTO "trial_system_attributes" VALUES(4,2,'NSGAIISampler:generation','0');
INSERT INTO "trial_system_attributes" VALUES(5,2,'constraints:memory','0.14556072704304773');
INSERT INTO "trial_system_attributes" VALUES(6,2,'constraints','[-0.15443927295695226, -0.25]');
INSERT INTO "trial_system_attributes" VALUES(7,3,'NSGAIISampler:generation','0');
INSERT INTO "trial_system_attributes" VALUES(8,3,'constraints:memory','-0.17261240680207385');
INSERT INTO "trial_system_attributes" VALUES(9,3,'constraints','[-0.47261240680207384, -0.25]');
INSERT INTO "trial_system_attributes" VALUES(10,4,'NSGAIISampler:generation','0');
INSERT INTO "trial_system_attributes" VALUES(11,4,'constraints:memory','0.7682615757193976');
INSERT INTO "trial_system_attributes" VALUES(12,4,'constraints','[0.4682615757193975, -0.25]');
INSERT INTO "trial_system_attributes" VALUES(13,5,'NSGAIISampler:generation','0');
INSERT INTO "trial_system_attributes" VALUES(14,5,'constraints:memory','-0.03016958043543111');
INSERT INTO "trial_system_attributes" VALUES(15,5,'constraints','[-0.3301695804354311, -0.25]');
INSERT INTO "trial_system_attributes" VALUES(16,6,'NSGAIISampler:generation','0');
INSERT INTO "trial_system_attributes" VALUES(17,6,'constraints:memory','0.11551563100606294');
INSERT INTO "trial_system_attributes" VALUES(18,6,'constraints','[-0.18448436899393705, -0.25]');
INSERT INTO "trial_system_attributes" VALUES(19,7,'fixed_params','{"x": 0.3, "kind": "a"}');
INSERT INTO "trial_system_attributes" VALUES(20,17,'fixed_params','{"q": 0.3}');
CREATE TABLE trial_user_attributes (
	trial_user_attribute_id INTEGER NOT NULL, 
	trial_id INTEGER, 
	"key" VARCHAR(512), 
	value_json TEXT, 
	PRIMARY KEY (trial_user_attribute_id), 
	UNIQUE (trial_id, "key"), 
	FOREIGN KEY(trial_id) REFERENCES trials (trial_id)
);
INSERT INTO "trial_user_attributes" VALUES(1,1,'note','{"text": "a \"quoted\" word", "list": [1, 2]}');
INSERT INTO "trial_user_attributes" VALUES(2,2,'note','{"text": "a \"quoted\" word", "list": [1, 2]}');
INSERT INTO "trial_user_attributes" VALUES(3,3,'note','{"text": "a \"quoted\" word", "list": [1, 2]}');
INSERT INTO "trial_user_attributes" VALUES(4,4,'note','{"text": "a \"quoted\" word", "list": [1, 2]}');
INSERT INTO "trial_user_attributes" VALUES(5,5,'note','{"text": "a \"quoted\" word", "list": [1, 2]}');
INSERT INTO "trial_user_attributes" VALUES(6,6,'note','{"text": "a \"quoted\" word", "list": [1, 2]}');
CREATE TABLE trial_values (
	trial_value_id INTEGER NOT NULL, 
	trial_id INTEGER NOT NULL, 
	objective INTEGER NOT NULL, 
	value FLOAT, 
	value_type VARCHAR(7) NOT NULL, 
	PRIMARY KEY (trial_value_id), 
	UNIQUE (trial_id, objective), 
	FOREIGN KEY(trial_id) REFERENCES trials (trial_id)
);
INSERT INTO "trial_values" VALUES(1,1,0,0.417022004702574,'FINITE');
INSERT INTO "trial_values" VALUES(2,1,1,1.1,'FINITE');
INSERT INTO "trial_values" VALUES(3,2,0,3.45560727043047744011e-01,'FINITE');
INSERT INTO "trial_values" VALUES(4,2,1,7.1,'FINITE');
INSERT INTO "trial_values" VALUES(5,3,0,2.73875931979261633131e-02,'FINITE');
INSERT INTO "trial_values" VALUES(6,3,1,NULL,'INF_POS');
INSERT INTO "trial_values" VALUES(7,4,0,9.68261575719397526995e-01,'FINITE');
INSERT INTO "trial_values" VALUES(8,4,1,1.1,'FINITE');
INSERT INTO "trial_values" VALUES(9,5,0,1.69830419564568901868e-01,'FINITE');
INSERT INTO "trial_values" VALUES(10,5,1,4.1,'FINITE');
INSERT INTO "trial_values" VALUES(11,6,0,3.15515631006062946539e-01,'FINITE');
INSERT INTO "trial_values" VALUES(12,6,1,5.1,'FINITE');
INSERT INTO "trial_values" VALUES(13,8,0,1.01513472418227557181e-01,'FINITE');
INSERT INTO "trial_values" VALUES(14,9,0,3.01264267606498714613e-01,'FINITE');
INSERT INTO "trial_values" VALUES(15,10,0,8.73882156580025187819e-02,'FINITE');
INSERT INTO "trial_values" VALUES(16,12,0,2.03697350361435547405e-01,'FINITE');
INSERT INTO "trial_values" VALUES(17,13,0,6.0295926724354309556e-01,'FINITE');
INSERT INTO "trial_values" VALUES(18,14,0,1.03359158146855450999e-01,'FINITE');
INSERT INTO "trial_values" VALUES(19,15,0,5.00043231455606251856e-01,'FINITE');
CREATE TABLE trials (
	trial_id INTEGER NOT NULL, 
	number INTEGER, 
	study_id INTEGER, 
	state VARCHAR(8) NOT NULL, 
	datetime_start DATETIME, 
	datetime_complete DATETIME, 
	PRIMARY KEY (trial_id), 
	FOREIGN KEY(study_id) REFERENCES studies (study_id)
);
INSERT INTO "trials" VALUES(1,0,1,'COMPLETE','2026-01-01 10:00:00.250000','2026-01-01 10:00:03.750000');
INSERT INTO "trials" VALUES(2,1,1,'COMPLETE','2026-01-02 10:00:00.250000','2026-01-02 10:00:03.750000');
INSERT INTO "trials" VALUES(3,2,1,'COMPLETE','2026-01-03 10:00:00.250000','2026-01-03 10:00:03.750000');
INSERT INTO "trials" VALUES(4,3,1,'COMPLETE','2026-01-04 10:00:00.250000','2026-01-04 10:00:03.750000');
INSERT INTO "trials" VALUES(5,4,1,'COMPLETE','2026-01-05 10:00:00.250000','2026-01-05 10:00:03.750000');
INSERT INTO "trials" VALUES(6,5,1,'COMPLETE','2026-01-06 10:00:00.250000','2026-01-06 10:00:03.750000');
INSERT INTO "trials" VALUES(7,6,1,'WAITING',NULL,NULL);
INSERT INTO "trials" VALUES(8,0,2,'COMPLETE','2026-01-08 10:00:00.250000','2026-01-08 10:00:03.750000');
INSERT INTO "trials" VALUES(9,1,2,'COMPLETE','2026-01-09 10:00:00.250000','2026-01-09 10:00:03.750000');
INSERT INTO "trials" VALUES(10,2,2,'PRUNED','2026-01-10 10:00:00.250000','2026-01-10 10:00:03.750000');
INSERT INTO "trials" VALUES(11,3,2,'FAIL','2026-01-11 10:00:00.250000','2026-01-11 10:00:03.750000');
INSERT INTO "trials" VALUES(12,4,2,'COMPLETE','2026-01-12 10:00:00.250000','2026-01-12 10:00:03.750000');
INSERT INTO "trials" VALUES(13,5,2,'COMPLETE','2026-01-13 10:00:00.250000','2026-01-13 10:00:03.750000');
INSERT INTO "trials" VALUES(14,6,2,'COMPLETE','2026-01-14 10:00:00.250000','2026-01-14 10:00:03.750000');
INSERT INTO "trials" VALUES(15,7,2,'COMPLETE','2026-01-15 10:00:00.250000','2026-01-15 10:00:03.750000');
INSERT INTO "trials" VALUES(16,8,2,'RUNNING','2026-01-16 10:00:00.250000',NULL);
INSERT INTO "trials" VALUES(17,9,2,'WAITING',NULL,NULL);
CREATE TABLE version_info (
	version_info_id INTEGER NOT NULL, 
	schema_version INTEGER, 
	library_version VARCHAR(256), 
	PRIMARY KEY (version_info_id), 
	CHECK (version_info_id=1)
);
INSERT INTO "version_info" VALUES(1,12,'5.0.0');
CREATE UNIQUE INDEX ix_studies_study_name ON studies (study_name);
CREATE INDEX ix_trials_study_id ON trials (study_id);
COMMIT;
