-- root logs in over the socket as the system's root, without a password.
-- The least that the agent needs.
CREATE USER cbsnap@localhost IDENTIFIED BY '@AGENT_PASSWORD@';
GRANT RELOAD, PROCESS, BINLOG MONITOR, REPLICA MONITOR ON *.* TO cbsnap@localhost;
-- For the mark.
CREATE DATABASE cbsnap;
CREATE TABLE cbsnap.mark (set_id VARCHAR(64) PRIMARY KEY, at_wall_us BIGINT NOT NULL);
GRANT SELECT, INSERT, UPDATE, DELETE ON cbsnap.mark TO cbsnap@localhost;
-- The load and the meter, from the host.
CREATE USER @USER@@'%' IDENTIFIED BY '@PASSWORD@';
CREATE DATABASE sbtest;
CREATE DATABASE cbsnap_lab;
GRANT ALL ON sbtest.* TO @USER@@'%';
GRANT ALL ON cbsnap_lab.* TO @USER@@'%';
CREATE TABLE cbsnap_lab.counter (
    id INT PRIMARY KEY,
    n BIGINT NOT NULL,
    at DATETIME(6) NOT NULL
);
INSERT INTO cbsnap_lab.counter VALUES (1, 0, NOW(6));
